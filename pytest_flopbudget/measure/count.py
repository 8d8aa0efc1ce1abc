"""Counting: one call of a model, in the first world in which it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from pytest_flopbudget.errors import MeasureError
from pytest_flopbudget.measure.access import Access
from pytest_flopbudget.measure.as_written import as_written
from pytest_flopbudget.measure.call import set_mode, tensors_in
from pytest_flopbudget.measure.layers import Switches, Tracker, Visits
from pytest_flopbudget.measure.meta import Meta
from pytest_flopbudget.measure.walker import Count, Walker
from pytest_flopbudget.measure.worlds import Fake, Real

if TYPE_CHECKING:
    from torch import nn

    from pytest_flopbudget.measure.call import Call
    from pytest_flopbudget.measure.keep import ModelState
    from pytest_flopbudget.measure.layers import Layers
    from pytest_flopbudget.measure.worlds import World

THREAD = "outside::thread"  # what stands for the operators that a thread ran unseen
SEED = 0  # of the counting run, so that a random choice in forward is the same everywhere


class OutsideError(MeasureError):
    """A tensor came from outside of PyTorch: a real run can tell more of it."""


def count(model: nn.Module, layers: Layers, state: ModelState, call: Call) -> Count:
    """Count one call, on meta tensors if the model runs there, else with fakes, else for real.

    Raises:
        Exception: what the model itself raises when it runs for real, or as near as its weights
            let it.
    """
    on_meta = any(tensor.is_meta for tensor in (*state.tensors, *call.tensors()))
    worlds: list[type[World]] = [Meta, Fake] if on_meta else [Meta, Fake, Real]
    for world in worlds[:-1]:
        try:
            return count_in(world(), model, layers, state, call)
        except Exception:  # noqa: BLE001, S112, PERF203 - if it is the model's own, it comes again
            continue
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
    visits, switches = Visits(layers), Switches()
    result = Count(world.name, [0] * len(layers), [0] * len(layers), visits)

    def enter(layer: int, values: Any) -> None:
        if not torch._C._len_torch_dispatch_stack():  # in a thread of its own
            result.note(THREAD, layer, tensors_in(values))
        visits.enter(layer, values)

    def note_outside(name: str, tensor: torch.Tensor) -> None:
        if not is_last:
            raise OutsideError(name)
        result.note(name, tracker.current, [tensor])

    tracker = Tracker(
        layers,
        on_switch=switches.note if call.training else None,
        on_enter=enter,
        on_exit=visits.exit,
    )
    access = Access(model, state, world, note_outside)
    walker = Walker(world, tracker, switches, access, result, is_last=is_last)
    torch.manual_seed(SEED)
    try:
        state.clear_gradients()
        state.substitute(world.stand_in)
        set_mode(model, training=call.training)
        with (
            call.standing_in(world.input) as inputs,
            as_written(layers),
            world.entered(),
            access.watched(),
            tracker.attached(),
            walker,
        ):
            output = inputs.forward(model)
            access.note_output(tensors_in(output))
            walker.in_backward = True
            if call.training:
                inputs.backward(output)
    finally:
        state.restore()
        access.writes.undo()
    result.unused = access.reads.unused
    result.data_dependent = access.data_dependent
    result.written = access.writes.originals
    return result
