"""The traffic counter: adds what every operator of one call moves to its layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from pytest_flopbudget.measure.counting.formulas.registry import TRAFFIC
from pytest_flopbudget.measure.counting.formulas.view_bytes import bytes_of, view_of
from pytest_flopbudget.measure.counting.traffic import gather_scatter
from pytest_flopbudget.measure.counting.traffic.accesses import accesses_of
from pytest_flopbudget.measure.counting.traffic.formula_bytes import bytes_by_formula
from pytest_flopbudget.measure.counting.traffic.fusion import FusibleTensors
from pytest_flopbudget.measure.counting.traffic.layer_traffic import LayerTraffic
from pytest_flopbudget.measure.counting.traffic.single_operators import SingleOperators
from pytest_flopbudget.measure.hardware.devices import is_named
from pytest_flopbudget.measure.params import held_tensors, packed_bytes
from pytest_flopbudget.measure.torch_internals.dispatch import (
    functions_as_they_are,
    without_dispatch_modes,
)
from pytest_flopbudget.measure.torch_internals.storages import storage_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pytest_flopbudget.measure.counting.formulas import Formula
    from pytest_flopbudget.measure.counting.formulas.view_bytes import View
    from pytest_flopbudget.measure.counting.module_tracker import ModuleTracker
    from pytest_flopbudget.measure.counting.traffic.accesses import Accesses
    from pytest_flopbudget.measure.operators import Operator
    from pytest_flopbudget.measure.torch_internals.storages import Storage

__all__ = ["TrafficCounter", "gather_scatter"]  # whose import registers its formulas


class TrafficCounter:
    """Adds the bytes that operators move, and their number, to the layers that run."""

    def __init__(
        self,
        tracker: ModuleTracker,
        layers: int,
        note_unknown: Callable[[str, Iterable[torch.Tensor]], None],
        place_of: Callable[[torch.device], torch.device],
    ) -> None:
        self.traffic = LayerTraffic.of(layers)
        self.single = SingleOperators(tracker, self.traffic)
        self._tracker = tracker
        self._place_of = place_of  # where a tensor would lie that is on a device
        self._note_unknown = note_unknown  # gets an operator and the tensors that it was given
        self._fusible = FusibleTensors()
        self._pool_indices: dict[int, tuple[int, int, Storage]] = {}  # by memory: layer, bytes
        self._known: dict[int, tuple[Formula | None, Accesses | None]] = {}
        self._held: dict[int, tuple[Any, int]] = {}  # by the id of an object: it, its bytes

    def note(
        self, operator: Operator, args: Any, kwargs: Any, given: Sequence[torch.Tensor], output: Any
    ) -> None:
        """Note one operator that ran.

        Raises:
            TrafficFormulaError: a registered formula fails, or does not return a whole number.
        """
        known = self._known.get(id(operator))  # there is one record of each operator
        if known is None:
            known = TRAFFIC.get(operator.name), accesses_of(operator)
            self._known[id(operator)] = known
        formula, accesses = known
        if (accesses is None and formula is None) or self.single.is_inside():
            return
        with functions_as_they_are():
            if formula is not None:
                moved: int | None = bytes_by_formula(operator.name, formula, args, kwargs, output)
                self._fusible.note(dict(map(view_of, given)), {}, (), is_element_wise=False)
            elif accesses is not None:
                moved = self._by_schema(operator, accesses, args, kwargs, given, output)
        if moved is not None:
            self._add(moved)

    def note_single(self, given: Iterable[torch.Tensor], output: Any) -> None:
        """Note an operator that takes functions, by its tensors and the first that it returns."""
        with functions_as_they_are():
            first = output if isinstance(output, torch.Tensor) else output[0]
            self._add(sum(dict(map(view_of, given)).values()) + bytes_of(first))

    def end(self, outputs: Iterable[torch.Tensor]) -> LayerTraffic:
        """Return the traffic of a call that is over, with the tensors that it returned."""
        with functions_as_they_are():
            returned = dict(map(view_of, outputs))
            self._fusible.note({}, returned, (), is_element_wise=False)
            self._count_indices(returned)
        self.traffic.fusible_bytes = self._fusible.saved
        return self.traffic

    def _add(self, moved: int) -> None:
        tracker = self._tracker
        backward = tracker.in_backward
        layer = tracker.owner_in_backward() if backward else tracker.current
        self.traffic.add(layer, moved, backward=backward)

    def _by_schema(
        self,
        operator: Operator,
        accesses: Accesses,
        args: Any,
        kwargs: Any,
        given: Sequence[torch.Tensor],
        output: Any,
    ) -> int | None:
        """Return the bytes that an operator reads and writes; `None` if it moves nothing."""
        if accesses.copies and self._changes_device_alone(args, kwargs):
            return None
        reads = dict(map(view_of, accesses.read(args, kwargs, given)))
        writes: dict[View, int] = {}
        if operator.writes and accesses.does_write(args, kwargs):
            writes = dict(map(view_of, operator.written(args, kwargs)))
        before = {view[0] for view in reads}
        if writes:
            before.update([view[0] for view in writes])
        moved = sum(reads.values()) + sum(writes.values())
        created = []
        for tensor in accesses.results(args, kwargs, output):
            view, nbytes = view_of(tensor)
            if view[0] not in before:
                created.append((tensor, nbytes))
                moved += nbytes
        if not writes and not created:
            return None  # what it returns lies in its inputs
        self._fusible.note(reads, writes, created, is_element_wise=accesses.is_element_wise)
        if self._pool_indices and not self._tracker.in_backward:
            self._count_indices(reads)
        if accesses.has_indices:
            self._note_indices(output[1])
        if accesses.objects:
            moved += self._bytes_held(operator, accesses.held_objects(args, kwargs), given)
        return moved

    def _changes_device_alone(self, args: Any, kwargs: Any) -> bool:
        """Return whether a copy moves a tensor to another device, and keeps its dtype."""
        first, *rest = args
        if rest and isinstance(rest[0], torch.Tensor):  # into the memory of another one
            device, dtype = rest[0].device, rest[0].dtype
        else:
            device, dtype = kwargs.get("device"), kwargs.get("dtype")
        if device is None or dtype not in (None, first.dtype):
            return False
        places = (self._place_of(first.device), self._place_of(torch.device(device)))
        return not is_named(*places) and not is_named(*reversed(places))

    def _note_indices(self, indices: torch.Tensor) -> None:
        """Note the indices of a pooling: they count if somebody reads them."""
        layer, (view, nbytes) = self._tracker.current, view_of(indices)
        self._pool_indices[view[0]] = layer, nbytes, storage_of(indices)

    def _count_indices(self, reads: Iterable[View]) -> None:
        for memory, *_ in reads:
            if memory in self._pool_indices:
                layer, nbytes, _ = self._pool_indices.pop(memory)
                self.traffic.add(layer, nbytes, 0, backward=False)

    def _bytes_held(
        self, operator: Operator, objects: Iterable[Any], given: Iterable[torch.Tensor]
    ) -> int:
        """Return the bytes of the tensors in objects of torch's runtime, as they are unpacked."""
        total = 0
        for held in objects:
            if id(held) not in self._held:
                with without_dispatch_modes():  # those of fake tensors crash
                    self._held[id(held)] = held, sum(map(packed_bytes, held_tensors(held)))
            nbytes = self._held[id(held)][1]
            if not nbytes:
                self._note_unknown(operator.name, given)
            total += nbytes
        return total
