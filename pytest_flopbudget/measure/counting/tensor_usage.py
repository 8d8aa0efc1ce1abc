"""Tensor usage: what a call reads and writes of the tensors that existed before it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_flopbudget.measure.torch_internals.dispatch import functions_as_they_are
from pytest_flopbudget.measure.torch_internals.storages import Storage, storage_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    import torch
    from torch import nn

    from pytest_flopbudget.measure.counting.backends.base import Backend
    from pytest_flopbudget.measure.counting.external_tensors import ExternalTensors
    from pytest_flopbudget.measure.operators import Operator
    from pytest_flopbudget.measure.profiled_call import ProfiledCall


class TensorUsage:
    """All that is noted of the tensors that operators read and write."""

    def __init__(
        self,
        backend: Backend,
        parameters: ParameterReads,
        writes: InPlaceWrites,
        external: ExternalTensors,
    ) -> None:
        self.parameters = parameters
        self.writes = writes
        self.external = external
        self._backend = backend
        self._data_dependent = False

    @classmethod
    def before(
        cls, profiled: ProfiledCall, backend: Backend, external: ExternalTensors
    ) -> TensorUsage:
        """Return the usage of a call that is about to run in a backend: nothing yet."""
        parameters = ParameterReads.of(profiled.module, backend)
        return cls(backend, parameters, InPlaceWrites.of(profiled.state.tensors, backend), external)

    @property
    def data_dependent(self) -> bool:
        """Whether the values of tensors decided about what ran or what it costs."""
        return self._data_dependent or self.external.values_left

    def note(
        self, operator: Operator, args: Any, kwargs: Any, given: Iterable[torch.Tensor]
    ) -> None:
        """Note what one operator, which is about to run, reads and writes."""
        self.parameters.note(given)
        self.check_origin(given)
        if operator.reads_values:
            self.note_values_read()
        if operator.writes:
            self.writes.note(operator.written(args, kwargs))

    def check_origin(self, tensors: Iterable[torch.Tensor]) -> None:
        """Note those tensors that come from outside of PyTorch."""
        with functions_as_they_are():
            if real := [tensor for tensor in tensors if self._backend.is_real(tensor)]:
                self.external.check(real)

    def note_values_read(self) -> None:
        """Note that values decide about what runs; where tensors have none, constants do."""
        self._data_dependent = self._data_dependent or self._backend.has_values

    def note_values_counted(self) -> None:
        """Note that values which are not constant decide about what an operator costs."""
        self._data_dependent = True


class ParameterReads:
    """Which parameters no operator has read yet."""

    def __init__(self, names: dict[int, str], unread: dict[str, torch.Tensor]) -> None:
        self._names = names  # by the id of the parameter, and of its substitute
        self._unread = unread
        self._held = list(unread.values())  # so that ids stay theirs

    @classmethod
    def of(cls, model: nn.Module, backend: Backend) -> ParameterReads:
        """Return the reads of a model whose tensors a backend substitutes: none yet."""
        unread: dict[str, torch.Tensor] = dict(model.named_parameters())
        names = {id(parameter): name for name, parameter in unread.items()}
        names |= {id(backend.substitute(tensor)): name for name, tensor in unread.items()}
        return cls(names, unread)

    @property
    def unused(self) -> list[str]:
        """The parameters that no operator read."""
        return list(self._unread)

    def note(self, given: Iterable[torch.Tensor]) -> None:
        """Note what one operator reads."""
        for tensor in given:
            self._unread.pop(self._names.get(id(tensor), ""), None)


class InPlaceWrites:
    """Which of the tensors that existed before a call it writes into, also through a view."""

    def __init__(self, owners: dict[Storage, list[torch.Tensor]], *, keeps_values: bool) -> None:
        self.written: list[torch.Tensor] = []
        self._owners = owners  # of each storage, as the backend substitutes it
        self._keeps_values = keeps_values
        self._copies: list[torch.Tensor] = []

    @classmethod
    def of(cls, known: Iterable[torch.Tensor], backend: Backend) -> InPlaceWrites:
        """Return the writes into tensors that a backend substitutes: none yet."""
        owners: dict[Storage, list[torch.Tensor]] = {}
        for tensor in known:
            owners.setdefault(storage_of(backend.substitute(tensor)), []).append(tensor)
        return cls(owners, keeps_values=backend.has_values)

    def note(self, targets: Iterable[torch.Tensor]) -> None:
        """Note that an operator is about to write; if that changes values, keep a copy of them."""
        for target in targets:
            for tensor in self._owners.pop(storage_of(target), ()):
                self.written.append(tensor)
                if self._keeps_values:
                    self._copies.append(tensor.detach().clone())

    def undo(self) -> None:
        """Put back the values that were overwritten."""
        for tensor, copy in zip(self.written, self._copies, strict=False):
            tensor.data.copy_(copy)
        self._copies.clear()
