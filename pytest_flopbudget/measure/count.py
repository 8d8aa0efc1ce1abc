"""Counting: a dispatch mode sees every operator of one call and books its FLOPs on a layer."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from pytest_flopbudget.errors import MeasureError
from pytest_flopbudget.measure.access import Reads, Writes
from pytest_flopbudget.measure.call import Call, set_mode
from pytest_flopbudget.measure.formulas import shapes_of
from pytest_flopbudget.measure.keep import switches_kept
from pytest_flopbudget.measure.layers import Layers, Switches, Tracker, Visits, shapes
from pytest_flopbudget.measure.operators import Operator, operator_of
from pytest_flopbudget.measure.worlds import Fake, Meta, Real, World, tensors
from pytest_flopbudget.profile import Shape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch._ops import OpOverload

    from pytest_flopbudget.measure.keep import ModelState

SEED = 0  # of the counting run, so that a random choice in forward is the same everywhere


@dataclass
class Ran:
    """Where an operator ran that is neither counted nor free."""

    layer: int
    shapes: tuple[Shape, ...]
    calls: int = 0


@dataclass
class Count:
    """What one call of a model cost: per layer, by index, what ran in the layer itself."""

    counted_on: str
    forward: list[int]
    backward: list[int]
    visits: Visits
    uncounted: dict[tuple[str, int], Ran] = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)  # parameters
    written: list[torch.Tensor] = field(default_factory=list)  # that existed before the call
    data_dependent: bool = False


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
            return _count_in(world(), model, layers, state, call)
        except Exception:  # noqa: BLE001, S112, PERF203 - if it is the model's own, it comes again
            continue
    return _count_in(worlds[-1](), model, layers, state, call)


def _count_in(
    world: World, model: nn.Module, layers: Layers, state: ModelState, call: Call
) -> Count:
    visits, switches = Visits(layers), Switches()
    tracker = Tracker(
        layers,
        on_switch=switches.note if call.training else None,
        on_enter=visits.enter,
        on_exit=visits.exit,
    )
    writes = Writes(state.tensors, world)
    result = Count(world.name, [0] * len(layers), [0] * len(layers), visits)
    reads = Reads(model, world)
    mode = CountingMode(world, tracker, switches, writes, reads, result)
    inputs = call.mapped(world.input)
    torch.manual_seed(SEED)
    try:
        state.clear_gradients()
        state.substitute(world.stand_in)
        set_mode(model, training=call.training)
        _run_uncompiled(layers)
        with _unfused(), world.entered(), reads.watched(), tracker.attached(), mode:
            output = inputs.forward(model)
            mode.in_backward = True
            if call.training:
                inputs.backward(output)
    finally:
        state.restore()
        writes.undo()
    result.unused = reads.unused
    result.data_dependent = reads.values and world.name == Real.name
    result.written = writes.originals
    return result


@contextmanager
def _unfused() -> Iterator[None]:
    """Keep layers from fusing.

    A fused `nn.TransformerEncoderLayer` hides the layers inside of it, and the backward of a
    fused `nn.LSTM` computes gradients that nobody asked for.
    """
    with switches_kept():
        torch.backends.mha.set_fastpath_enabled(False)
        torch.backends.mkldnn.enabled = False  # type: ignore[assignment]
        torch.backends.cudnn.enabled = False
        yield


def _run_uncompiled(layers: Layers) -> None:
    """Let compiled layers run as they were written, until their state is restored."""
    for module in layers.modules:
        original = getattr(module, "_orig_mod", None)
        if original is not None:
            vars(module)["forward"] = original
        if getattr(module, "_compiled_call_impl", None) is not None:
            vars(module)["_compiled_call_impl"] = None


class CountingMode(TorchDispatchMode):
    """Runs every operator in its world, and adds what it costs to the layer that runs."""

    def __init__(
        self,
        world: World,
        tracker: Tracker,
        switches: Switches,
        writes: Writes,
        reads: Reads,
        result: Count,
    ) -> None:
        super().__init__()
        self.in_backward = False
        self._world = world
        self._tracker = tracker
        self._switches = switches
        self._writes = writes
        self._reads = reads
        self._result = result

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Spare the import of `torch._dynamo`, which takes as long as that of torch."""
        return False

    def __torch_dispatch__(
        self, func: OpOverload, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        del types
        kwargs = kwargs or {}
        operator = operator_of(func)
        formula = operator.formula
        if formula is None and operator.is_composite:
            with self:
                return func.decompose(*args, **kwargs)
        given = list(tensors(args, kwargs))
        self._reads.note(operator, given)
        if operator.writes:
            self._writes.note(operator.written(args, kwargs))
        output = self._world.run(operator, args, kwargs, given)
        if formula is not None and not any(tensor.is_nested for tensor in given):
            self._book(_flops(operator, formula, args, kwargs, output))
        elif formula is not None or not operator.is_free:
            self._note_uncounted(operator, given)
        return output

    def _book(self, flops: int) -> None:
        if not self.in_backward:
            self._result.forward[self._tracker.current] += flops
        else:
            self._result.backward[self._layer_in_backward()] += flops

    def _layer_in_backward(self) -> int:
        """Find the layer whose forward made the node that runs now; recomputation is on top."""
        if self._tracker.stack:
            return self._tracker.current
        node = torch._C._current_autograd_node()
        return self._tracker.current if node is None else self._switches.at(node._sequence_nr())

    def _note_uncounted(self, operator: Operator, given: list[torch.Tensor]) -> None:
        layer = self._layer_in_backward() if self.in_backward else self._tracker.current
        ran = self._result.uncounted.setdefault(
            (operator.name, layer), Ran(layer, shapes(tuple(given)))
        )
        ran.calls += 1


def _flops(operator: Operator, formula: Any, args: Any, kwargs: Any, output: Any) -> int:
    """Apply a formula.

    Raises:
        MeasureError: a registered formula does not return a whole number.
    """
    shape = shapes_of(output)
    named = {key: shapes_of(value) for key, value in kwargs.items()}
    flops = formula(*(shapes_of(value) for value in args), **named, out_shape=shape)
    if not isinstance(flops, int) or flops < 0:
        raise MeasureError(
            f"the formula of `{operator.name}` must return FLOPs as an int, 0 or more, "
            f"found `{flops!r}`"
        )
    return flops
