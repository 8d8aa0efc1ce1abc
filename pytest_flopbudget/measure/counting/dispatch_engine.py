"""Counting: one call of a model, in the first world in which it runs."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pytest_flopbudget.errors import MeasureError
from pytest_flopbudget.measure.call import set_mode, tensors_in
from pytest_flopbudget.measure.counting.backends.fake import FakeBackend
from pytest_flopbudget.measure.counting.backends.meta import MetaBackend
from pytest_flopbudget.measure.counting.backends.real import RealBackend
from pytest_flopbudget.measure.counting.eager_mode import eager_mode
from pytest_flopbudget.measure.counting.flop_count import FlopCount
from pytest_flopbudget.measure.counting.flop_counter import FlopCounterMode, FormulaError
from pytest_flopbudget.measure.counting.module_tracker import ModuleCalls, ModuleTracker
from pytest_flopbudget.measure.counting.tensor_usage import TensorUsage
from pytest_flopbudget.measure.isolation.random_state import seed
from pytest_flopbudget.measure.isolation.tensor_contents import contents_restored, memory_restored
from pytest_flopbudget.measure.layers import AutogradOwners
from pytest_flopbudget.measure.torch_internals.dispatch import is_seen_by_a_mode

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch
    from torch import nn

    from pytest_flopbudget.measure.call import ModelCall
    from pytest_flopbudget.measure.counting.backends.base import Backend
    from pytest_flopbudget.measure.isolation.model_state import SavedState
    from pytest_flopbudget.measure.layers import Layers

THREAD = "outside::thread"  # what stands for the operators that a thread ran unseen
SEED = 0  # of the counting run, so that a random choice in forward is the same everywhere


class OutsideError(MeasureError):
    """A tensor came from outside of PyTorch: a real run can tell more of it."""


def count(model: nn.Module, layers: Layers, state: SavedState, call: ModelCall) -> FlopCount:
    """Count one call, on meta tensors if the model runs there, else with fakes, else for real.

    Raises:
        FormulaError: a registered formula is wrong.
        Exception: what the model itself raises when it runs for real, or as near as its weights
            let it.
    """
    on_meta = any(tensor.is_meta for tensor in (*state.tensors, *call.tensors()))
    worlds: list[type[Backend]] = (
        [MetaBackend, FakeBackend] if on_meta else [MetaBackend, FakeBackend, RealBackend]
    )
    for world in worlds[:-1]:
        try:
            return count_in(world(), model, layers, state, call)
        except FormulaError:  # noqa: PERF203
            raise
        except Exception:  # noqa: BLE001, S112 - if it is the model's own, it comes again
            continue
    # What writes into them need not be an operator.
    with memory_restored(state.tensors), contents_restored(model.buffers()):
        return count_in(worlds[-1](), model, layers, state, call, is_last=True)


def count_in(
    world: Backend,
    model: nn.Module,
    layers: Layers,
    state: SavedState,
    call: ModelCall,
    *,
    is_last: bool = False,
) -> FlopCount:
    """Count one call in one world.

    Raises:
        Exception: what the model, or the world, raises.
    """
    attempt = CountingRun(world, model, layers, state, call, is_last=is_last)
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


class CountingRun:
    """One try to run a model in one world, and all that is noted meanwhile."""

    def __init__(
        self,
        world: Backend,
        model: nn.Module,
        layers: Layers,
        state: SavedState,
        call: ModelCall,
        *,
        is_last: bool,
    ) -> None:
        visits, switches = ModuleCalls(layers), AutogradOwners()
        self._world = world
        self._visits = visits
        self._training = call.training
        self._is_last = is_last
        self._result = FlopCount(world.name, [0] * len(layers), [0] * len(layers), visits)
        self._tracker = ModuleTracker(
            layers,
            on_switch=switches.note if call.training else None,
            on_enter=self._enter,
            on_exit=visits.exit,
        )
        self.access = TensorUsage(model, state, world, self._note_outside)
        self._walker = FlopCounterMode(
            world, self._tracker, switches, self.access, self._result, is_last=is_last
        )

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Enter the world, with everything attached that watches the model."""
        with (
            eager_mode(self._tracker.layers, training=self._training),
            self._world.entered(),
            self.access.origins,
            self._tracker.attached(),
            self._walker,
        ):
            yield

    def run(self, model: nn.Module, inputs: ModelCall) -> None:
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

    def finished(self) -> FlopCount:
        """Return what the call cost."""
        self._result.unused = self.access.reads.unused
        self._result.data_dependent = self.access.data_dependent
        self._result.written = self.access.writes.originals
        return self._result

    def _enter(self, layer: int, values: Any) -> None:
        if not is_seen_by_a_mode():  # in a thread of its own
            self._result.note(THREAD, layer, tensors_in(values))
        self._visits.enter(layer, values)

    def _note_outside(self, name: str, tensor: torch.Tensor) -> None:
        if not self._is_last:
            raise OutsideError(name)
        self._result.note(name, self._tracker.current, [tensor])
