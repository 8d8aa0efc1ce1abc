"""The contents of tensors: saved before a call and restored after it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from pytest_flopbudget.measure.torch_internals.storages import storage_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@contextmanager
def contents_restored(tensors: Iterable[torch.Tensor]) -> Iterator[None]:
    """Restore the values of tensors that the model writes into."""
    by_id = {id(tensor): tensor for tensor in tensors}
    copies = [(t, t.detach().clone()) for t in by_id.values() if not t.is_meta]
    try:
        yield
    finally:
        for tensor, copy in copies:
            tensor.data.copy_(copy)


@contextmanager
def memory_restored(tensors: Iterable[torch.Tensor]) -> Iterator[None]:
    """Give tensors back the memory in which they lay, if the model set their `.data` or size."""
    before = [(t, t.data) for t in tensors if t.is_leaf and t.layout is torch.strided]
    try:
        yield
    finally:
        for tensor, data in before:
            if storage_of(tensor) != storage_of(data) or tensor.shape != data.shape:
                tensor.data = data
