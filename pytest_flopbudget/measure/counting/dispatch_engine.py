"""Counting: one call of a model, in the first world in which it runs."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from pytest_flopbudget.errors import MeasureError
from pytest_flopbudget.measure.call import set_mode, tensors_in
from pytest_flopbudget.measure.counting.backends.fake import Fake
from pytest_flopbudget.measure.counting.backends.meta import Meta
from pytest_flopbudget.measure.counting.backends.real import Real
from pytest_flopbudget.measure.counting.eager_mode import as_written
from pytest_flopbudget.measure.counting.flop_count import Count
from pytest_flopbudget.measure.counting.flop_counter import FormulaError, Walker
from pytest_flopbudget.measure.counting.module_tracker import Tracker, Visits
from pytest_flopbudget.measure.counting.tensor_usage import Access
from pytest_flopbudget.measure.isolation.random_state import seed
from pytest_flopbudget.measure.isolation.tensor_contents import data_kept, values_kept
from pytest_flopbudget.measure.layers import Switches

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

    from pytest_flopbudget.measure.call import Call
    from pytest_flopbudget.measure.counting.backends.base import World
    from pytest_flopbudget.measure.isolation.model_state import ModelState
    from pytest_flopbudget.measure.layers import Layers

THREAD = "outside::thread"  # what stands for the operators that a thread ran unseen
SEED = 0  # of the counting run, so that a random choice in forward is the same everywhere


class OutsideError(MeasureError):
    """A tensor came from outside of PyTorch: a real run can tell more of it."""


def count(model: nn.Module, layers: Layers, state: ModelState, call: Call) -> Count:
    """Count one call, on meta tensors if the model runs there, else with fakes, else for real.

    Raises:
        FormulaError: a registered formula is wrong.
        Exception: what the model itself raises when it runs for real, or as near as its weights
            let it.
    """
    on_meta = any(tensor.is_meta for tensor in (*state.tensors, *call.tensors()))
    worlds: list[type[World]] = [Meta, Fake] if on_meta else [Meta, Fake, Real]
    for world in worlds[:-1]:
        try:
            return count_in(world(), model, layers, state, call)
        except FormulaError:  # noqa: PERF203
            raise
        except Exception:  # noqa: BLE001, S112 - if it is the model's own, it comes again
            continue
    # What writes into them need not be an operator.
    with data_kept(state.tensors), values_kept(model.buffers()):
        return count_in(worlds[-1](), model, layers, state, call, is_last=True)


def count_in(
    world: World,
    model: nn.Module,
    layers: Layers,
    state: ModelState,
    call: Call,
    *,
    is_last: bool = False,
) -> Count:
    """Count one call in one world.

    Raises:
        Exception: what the model, or the world, raises.
    """
    attempt = Attempt(world, model, layers, state, call, is_last=is_last)
    seed(SEED)
    try:
        state.clear_gradients()
        state.substitute(world.stand_in)
        set_mode(model, training=call.training)
        with call.standing_in(world.input) as inputs, attempt.watched():
            attempt.run(model, inputs)
    finally:
        state.restore()
        attempt.access.writes.undo()
    return attempt.finished()


class Attempt:
    """One try to run a model in one world, and all that is noted meanwhile."""

    def __init__(
        self,
        world: World,
        model: nn.Module,
        layers: Layers,
        state: ModelState,
        call: Call,
        *,
        is_last: bool,
    ) -> None:
        visits, switches = Visits(layers), Switches()
        self._world = world
        self._visits = visits
        self._training = call.training
        self._is_last = is_last
        self._result = Count(world.name, [0] * len(layers), [0] * len(layers), visits)
        self._tracker = Tracker(
            layers,
            on_switch=switches.note if call.training else None,
            on_enter=self._enter,
            on_exit=visits.exit,
        )
        self.access = Access(model, state, world, self._note_outside)
        self._walker = Walker(
            world, self._tracker, switches, self.access, self._result, is_last=is_last
        )

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Enter the world, with everything attached that watches the model."""
        with (
            as_written(self._tracker.layers, training=self._training),
            self._world.entered(),
            self.access.origins,
            self._tracker.attached(),
            self._walker,
        ):
            yield

    def run(self, model: nn.Module, inputs: Call) -> None:
        """Run the call, and backward in training mode.

        Raises:
            Exception: what was raised, also if the model swallowed what this world cannot do.
        """
        output = inputs.forward(model)
        self.access.note_output(tensors_in(output))
        self._walker.in_backward = True
        if self._training:
            inputs.backward(output)
        if self.access.failure is not None and not self._is_last:
            raise self.access.failure

    def finished(self) -> Count:
        """Return what the call cost."""
        self._result.unused = self.access.reads.unused
        self._result.data_dependent = self.access.data_dependent
        self._result.written = self.access.writes.originals
        return self._result

    def _enter(self, layer: int, values: Any) -> None:
        if not torch._C._len_torch_dispatch_stack():  # in a thread of its own
            self._result.note(THREAD, layer, tensors_in(values))
        self._visits.enter(layer, values)

    def _note_outside(self, name: str, tensor: torch.Tensor) -> None:
        if not self._is_last:
            raise OutsideError(name)
        self._result.note(name, self._tracker.current, [tensor])
