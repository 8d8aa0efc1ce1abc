"""The record of what is profiled: one call of a model, and the model as it was before it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import nn

from pytest_flopbudget.measure.call import ModelCall
from pytest_flopbudget.measure.isolation.global_flags import deeper_calls_allowed
from pytest_flopbudget.measure.isolation.model_state import SavedState, restored_after
from pytest_flopbudget.measure.isolation.random_state import seed_generators
from pytest_flopbudget.measure.layers import ROOT, Layers, is_compiled, uncompiled
from pytest_flopbudget.measure.torch_internals.modules import has_own_train

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch


FRAMES, FRAMES_PER_LAYER = 200, 10  # of our own, in the deepest call: below all layers, in each


@dataclass(frozen=True)
class ProfiledCall:
    """One call of a model, with the model's layers and its state before the call."""

    model: nn.Module  # as it is called, perhaps compiled
    layers: Layers  # of the module that it was compiled from
    state: SavedState
    call: ModelCall
    seed: int = 0  # of each run, so that a random choice in forward is the same everywhere

    @property
    def module(self) -> nn.Module:
        """The model as it was written: what a compiled model was compiled from."""
        return self.layers.modules[ROOT]

    @property
    def tensors(self) -> list[torch.Tensor]:
        """The parameters and buffers of the model and the tensors among its inputs."""
        return [*self.model.parameters(), *self.model.buffers(), *self.call.tensors()]

    @property
    def unseen(self) -> list[torch.Tensor]:
        """What may be written into where no operator is seen: buffers, or everything.

        A layer's own `train()` may merge weights.
        """
        if any(has_own_train(module) for module in self.layers.modules):
            return list(self.state.tensors)
        return list(self.module.buffers())

    @property
    def is_on_meta(self) -> bool:
        """Whether the model or its inputs hold meta tensors, so that nothing can run for real."""
        return any(tensor.is_meta for tensor in (*self.state.tensors, *self.call.tensors()))

    @property
    def is_compiled(self) -> bool:
        """Whether the model is compiled, as a whole or in some of its layers."""
        return any(map(is_compiled, (self.model, *self.layers.modules)))

    @property
    def calls_layers(self) -> bool:
        """Whether the model calls its layers one by one: not if it is compiled as a whole."""
        return not is_compiled(self.model)

    def fresh(self) -> ModelCall:
        """Return the call for another run.

        It has new containers, what iterators gave at first, and the same random numbers.
        """
        self.state.renew_iterators()
        seed_generators(self.seed)
        return self.call.fresh()


@contextmanager
def profiled_call(model: nn.Module, call: ModelCall, *, seed: int = 0) -> Iterator[ProfiledCall]:
    """Yield the record of a call; the model and torch's global state are restored at the end."""
    layers = Layers(uncompiled(model))
    with (
        restored_after(call.owner(model)) as state,
        deeper_calls_allowed(FRAMES + FRAMES_PER_LAYER * layers.depth),
    ):
        yield ProfiledCall(model, layers, state, call, seed)
