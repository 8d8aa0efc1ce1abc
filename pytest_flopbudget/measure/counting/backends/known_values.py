"""Known values: those of constants, while a model runs on tensors that have none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.utils.weak import WeakTensorKeyDictionary

from pytest_flopbudget.measure.torch_internals.storages import Storage, storage_of

if TYPE_CHECKING:
    from collections.abc import Iterable

SMALL = 2**16  # elements up to which a constant keeps its values


class KnownValues(WeakTensorKeyDictionary):
    """A real tensor for each meta tensor whose values are known; real tensors know their own.

    Only what forward made is ever written into. After a write of what is not known, nothing is
    known of any tensor in that memory.
    """

    def __init__(self) -> None:
        super().__init__()
        self._made: set[Storage] = set()  # by forward, which may write into it
        self._forgotten: set[Storage] = set()

    def of(self, tensor: torch.Tensor) -> torch.Tensor | None:
        """Return the value of a tensor, if it is known and small."""
        value = self.get(tensor) if tensor.is_meta else tensor
        if value is None or value.numel() > SMALL:
            return None
        storages = _storages((tensor, value))
        return value if storages and storages.isdisjoint(self._forgotten) else None

    def forget(self, tensor: torch.Tensor) -> None:
        """Forget what lies in the memory of a tensor."""
        value = self.get(tensor) if tensor.is_meta else None
        self._forgotten |= _storages((tensor, tensor if value is None else value))

    def note_made(self, results: Iterable[torch.Tensor], given: Iterable[torch.Tensor]) -> None:
        """Note that forward made results, and may write into them, unless they are views."""
        self._made |= _storages(results) - _storages(given)

    def may_write(self, tensors: Iterable[torch.Tensor]) -> bool:
        """Return whether forward made the values of all of these tensors."""
        values = [value for tensor in tensors if (value := self.of(tensor)) is not None]
        return self._made >= _storages(values)


def _storages(tensors: Iterable[torch.Tensor]) -> set[Storage]:
    """Identify the memory of tensors that have one to share."""
    return {storage_of(tensor) for tensor in tensors if tensor.layout is torch.strided}
