"""Placement: copies of tensors, and a model whose tensors lie on another device for a while."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import nn

from pytest_flopbudget.measure.hardware.devices import is_named
from pytest_flopbudget.measure.isolation.tensor_substitutes import TensorSubstitutes
from pytest_flopbudget.measure.torch_internals.storages import Storage, storage_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_flopbudget.measure.isolation.model_state import SavedState


class TensorCopies:
    """One copy of each tensor; the copies of views that share memory share theirs."""

    def __init__(self, tensors: Iterable[torch.Tensor]) -> None:
        """Take all tensors that are going to be copied, or only some of them may share memory."""
        copied = {id(tensor): storage_of(tensor) for tensor in tensors if _is_plain(tensor)}
        self._shared = {storage for storage, n in Counter(copied.values()).items() if n > 1}
        self._memory: dict[Storage, torch.Tensor] = {}  # of those: its copy, as bytes
        self._substitutes = TensorSubstitutes()

    def of(self, tensor: torch.Tensor, device: torch.device | None = None) -> torch.Tensor:
        """Return the copy of a tensor, on its own device if no other one is given."""
        return self._substitutes.of(
            tensor, lambda: self._copy(tensor.detach(), device or tensor.device)
        )

    def _copy(self, tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
        storage = storage_of(tensor)
        if storage not in self._shared or not _is_plain(tensor):
            return tensor.to(device, copy=True)
        if storage not in self._memory:
            memory = torch.empty(0, dtype=torch.uint8, device=tensor.device)
            memory.set_(tensor.untyped_storage())
            self._memory[storage] = memory.to(device, copy=True)
        copy = torch.empty(0, dtype=tensor.dtype, device=device)
        source = self._memory[storage].untyped_storage()
        return copy.set_(source, tensor.storage_offset(), tensor.shape, tensor.stride())


@contextmanager
def placed_on(state: SavedState, device: torch.device) -> Iterator[dict[int, torch.Tensor]]:
    """Let a model hold copies of its tensors on a device; nothing is copied back.

    Yields what takes the place of each of its tensors, by their ids.
    """
    elsewhere = [tensor for tensor in state.tensors if not is_named(tensor.device, device)]
    copies = TensorCopies(elsewhere)

    def placed(tensor: torch.Tensor) -> torch.Tensor:
        return tensor if is_named(tensor.device, device) else copies.of(tensor, device)

    state.substitute(placed)
    try:
        yield {id(tensor): placed(tensor) for tensor in state.tensors}
    finally:
        state.restore()


def _is_plain(tensor: torch.Tensor) -> bool:
    """Return whether a tensor is nothing more than its memory, and how it lies there."""
    is_dense = tensor.layout is torch.strided and not (tensor.is_conj() or tensor.is_neg())
    return is_dense and type(tensor) in (torch.Tensor, nn.Parameter) and not tensor.is_meta
