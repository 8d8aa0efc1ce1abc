"""What a call reads and writes of the tensors that existed before it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_flopbudget.measure.counting.backends.real import RealBackend
from pytest_flopbudget.measure.counting.external_tensors import BlindOrigins, WatchedOrigins
from pytest_flopbudget.measure.isolation.storages import Storage, storage_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import torch
    from torch import nn

    from pytest_flopbudget.measure.counting.backends.base import Backend
    from pytest_flopbudget.measure.isolation.model_state import SavedState
    from pytest_flopbudget.measure.operators import Operator


class TensorUsage:
    """All that is noted of the tensors that operators read, write and get from outside."""

    def __init__(
        self,
        model: nn.Module,
        state: SavedState,
        world: Backend,
        note_outside: Callable[[str, torch.Tensor], None],
    ) -> None:
        self.reads = ParameterReads(model, world)
        self.writes = InPlaceWrites(state.tensors, world)
        self._world = world
        known = list(state.tensors)
        self.origins: WatchedOrigins | BlindOrigins = (
            WatchedOrigins(known, note_outside)
            if world.name == RealBackend.name
            else BlindOrigins(known, note_outside, self.note_failure)
        )
        self.failure: Exception | None = None  # the first, which a model may catch
        self.decides = False  # whether values that are not constant decided about a count

    @property
    def data_dependent(self) -> bool:
        """Whether the values of tensors decided about what ran or what it costs."""
        if isinstance(self.origins, BlindOrigins):
            return self.decides  # what reads values there reads constants
        return self.decides or self.reads.values or self.origins.values_left

    def note(self, operator: Operator, args: Any, kwargs: Any, given: list[torch.Tensor]) -> None:
        """Note what one operator, which is about to run, reads and writes."""
        self.reads.note(operator, given)
        self.origins.check(filter(self._world.is_real, given))
        if operator.writes:
            self.writes.note(operator.written(args, kwargs))

    def note_failure(self, error: Exception) -> None:
        """Note what a world could not do."""
        self.failure = self.failure or error

    def note_output(self, tensors: Iterable[torch.Tensor]) -> None:
        """Note what the model returns."""
        self.origins.check(filter(self._world.is_real, tensors))


class ParameterReads:
    """Which parameters the operators read, and whether one of them reads values."""

    def __init__(self, model: nn.Module, world: Backend) -> None:
        self.values = False
        self._unread = dict(model.named_parameters())
        self._held = list(self._unread.values())  # so that ids stay theirs
        self._names: dict[int, str] = {}  # by the tensor, and by what stands for it
        for name, parameter in self._unread.items():
            self._names[id(parameter)] = self._names[id(world.stand_in(parameter))] = name

    @property
    def unused(self) -> list[str]:
        """The parameters that no operator read."""
        return list(self._unread)

    def note(self, operator: Operator, given: list[torch.Tensor]) -> None:
        """Note what one operator reads."""
        for tensor in given:
            self._unread.pop(self._names.get(id(tensor), ""), None)
        self.values = self.values or operator.reads_values


class InPlaceWrites:
    """Which of the tensors that existed before a call it writes into, be it by a view."""

    def __init__(self, known: Iterable[torch.Tensor], world: Backend) -> None:
        self.originals: list[torch.Tensor] = []
        self._owners: dict[Storage, list[torch.Tensor]] = {}  # in the world of the run
        self._copies: list[torch.Tensor] = []
        self._is_real = world.name == RealBackend.name
        for tensor in known:
            self._owners.setdefault(storage_of(world.stand_in(tensor)), []).append(tensor)

    def note(self, targets: Iterable[torch.Tensor]) -> None:
        """Note that an operator is about to write; in a real run, keep what is there."""
        for target in targets:
            for original in self._owners.pop(storage_of(target), ()):
                self.originals.append(original)
                if self._is_real:
                    self._copies.append(original.detach().clone())

    def undo(self) -> None:
        """Put back what a real run overwrote."""
        for original, copy in zip(self.originals, self._copies, strict=False):
            original.data.copy_(copy)
        self._copies.clear()
