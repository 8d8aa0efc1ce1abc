"""What a call reads and writes of the tensors that existed before it."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch.overrides import TorchFunctionMode

from pytest_flopbudget.measure.worlds import Real, World

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import nn

    from pytest_flopbudget.measure.operators import Operator


class Reads:
    """Which parameters are read by operators, and whether values are read by Python."""

    def __init__(self, model: nn.Module, world: World) -> None:
        self.values = False
        self._is_real = world.name == Real.name
        self._unread = {name: None for name, _ in model.named_parameters()}
        self._names: dict[int, str] = {}  # by the tensor, and by what stands for it
        self._held = list(model.parameters())  # so that ids stay theirs
        for name, parameter in model.named_parameters():
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

    def watched(self) -> AbstractContextManager[Any]:
        """Return the context that sees the reads of which no operator knows.

        Where tensors have no values such a read fails, so only a real run needs it.
        """
        return _ValueReads(self) if self._is_real else nullcontext()


class _ValueReads(TorchFunctionMode):
    """Notices tensors that turn into Python lists and numpy arrays."""

    FUNCTIONS = frozenset({torch.Tensor.tolist, torch.Tensor.numpy, torch.Tensor.__array__})

    def __init__(self, reads: Reads) -> None:
        super().__init__()
        self._reads = reads

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        if func in self.FUNCTIONS:
            self._reads.values = True
        return func(*args, **(kwargs or {}))


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
