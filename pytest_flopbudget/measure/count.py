"""Counting: a dispatch mode sees every operator of one call and books its FLOPs on a layer."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from pytest_flopbudget.errors import MeasureError
from pytest_flopbudget.measure.formulas import shapes_of
from pytest_flopbudget.measure.layers import Layers, Tracker, Visits, shapes
from pytest_flopbudget.measure.operators import Operator, operator_of
from pytest_flopbudget.measure.worlds import Fake, Meta, Real, World, tensors
from pytest_flopbudget.profile import Shape

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch._ops import OpOverload

    from pytest_flopbudget.measure.call import Call
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
        Exception: what the model itself raises when it runs for real.
    """
    if any(tensor.is_meta for tensor in (*state.tensors, *call.tensors())):
        return _count_in(Meta(), model, layers, state, call)
    for world in (Meta, Fake):
        try:
            return _count_in(world(), model, layers, state, call)
        except Exception:  # noqa: BLE001, S112, PERF203 - if it is the model's own, it comes again
            continue
    return _count_in(Real(), model, layers, state, call)


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
    writes = Writes([*state.tensors, *call.tensors()], world)
    result = Count(world.name, [0] * len(layers), [0] * len(layers), visits)
    unread = {id(world.stand_in(p)): name for name, p in model.named_parameters()}
    mode = CountingMode(world, tracker, switches, writes, unread, result)
    inputs = call.mapped(world.stand_in)
    torch.manual_seed(SEED)
    try:
        state.substitute(world.stand_in)
        _run_uncompiled(layers)
        with world.entered(), tracker.attached(), mode:
            output = inputs.forward(model)
            mode.in_backward = True
            if call.training:
                inputs.backward(output)
    finally:
        state.restore()
        writes.undo()
    result.unused = list(unread.values())
    result.written = writes.originals
    return result


def _run_uncompiled(layers: Layers) -> None:
    """Let compiled layers run as they were written, until their state is restored."""
    for module in layers.modules:
        original = vars(module)["_modules"].get("_orig_mod")
        if original is not None:
            vars(module)["forward"] = original
        if vars(module).get("_compiled_call_impl") is not None:
            vars(module)["_compiled_call_impl"] = None


class CountingMode(TorchDispatchMode):
    """Runs every operator in its world, and adds what it costs to the layer that runs."""

    def __init__(
        self,
        world: World,
        tracker: Tracker,
        switches: Switches,
        writes: Writes,
        unread: dict[int, str],
        result: Count,
    ) -> None:
        super().__init__()
        self.in_backward = False
        self._world = world
        self._tracker = tracker
        self._switches = switches
        self._writes = writes
        self._unread = unread  # parameters by id; those that an operator reads are taken out
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
        for tensor in given:
            self._unread.pop(id(tensor), None)
        if operator.writes:
            self._writes.note(operator.written(args, kwargs))
        if operator.reads_values and self._world.name == Real.name:
            self._result.data_dependent = True
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


class Switches:
    """Which layer ran when autograd gave out a sequence number.

    The nodes of the backward graph are numbered in the order in which forward makes them, so
    the numbers at which another layer took over tell whose node one is.
    """

    def __init__(self) -> None:
        self._numbers: list[int] = []
        self._layers: list[int] = []

    def note(self, layer: int) -> None:
        """Note that from here on `layer` makes the nodes."""
        self._numbers.append(torch._C._autograd._get_sequence_nr())
        self._layers.append(layer)

    def at(self, number: int) -> int:
        """Return the layer that made a node."""
        position = bisect_right(self._numbers, number) - 1
        return self._layers[position] if position >= 0 else 0


class Writes:
    """Which of the tensors that existed before a call it writes into, be it by a view."""

    def __init__(self, known: Iterable[torch.Tensor], world: World) -> None:
        self.originals: list[torch.Tensor] = []
        self._owners: dict[int, list[torch.Tensor]] = {}  # by storage, in the world of the run
        self._copies: list[torch.Tensor] = []
        self._is_real = world.name == Real.name
        for tensor in known:
            self._owners.setdefault(_storage(world.stand_in(tensor)), []).append(tensor)

    def note(self, targets: Iterable[torch.Tensor]) -> None:
        """Note that an operator is about to write; in a real run, keep what is there."""
        for target in targets:
            for original in self._owners.pop(_storage(target), ()):
                self.originals.append(original)
                if self._is_real:
                    self._copies.append(original.detach().clone())

    def undo(self) -> None:
        """Put back what a real run overwrote."""
        for original, copy in zip(self.originals, self._copies, strict=False):
            original.data.copy_(copy)
        self._copies.clear()


def _storage(tensor: torch.Tensor) -> int:
    """Identify the memory of a tensor; a sparse or packed one has none to share."""
    try:
        return int(tensor.untyped_storage()._cdata)
    except (NotImplementedError, RuntimeError):
        return id(tensor)


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
