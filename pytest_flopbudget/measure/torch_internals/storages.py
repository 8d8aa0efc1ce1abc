"""The storages in which tensors lie: a view has the storage of what it is a view of."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import torch
from torch.multiprocessing.reductions import StorageWeakRef

from pytest_flopbudget.measure.torch_internals.tensors import coo_tensors, storage_address

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Storage = StorageWeakRef | int


def storage_of(tensor: torch.Tensor) -> Storage:
    """Return the identity of a tensor's memory, which no other memory gets while it is held.

    A sparse, packed, wrapping or lazy tensor has no memory that it could share: its own identity
    is returned.
    """
    if tensor.layout is not torch.strided:
        return id(tensor)
    try:
        return StorageWeakRef(tensor.untyped_storage())
    except (NotImplementedError, RuntimeError, ValueError):
        return id(tensor)


def address_of(tensor: torch.Tensor) -> int:
    """Return where the memory of a tensor begins."""
    return tensor.untyped_storage().data_ptr()


def memory_of(tensor: torch.Tensor) -> Iterator[torch.UntypedStorage]:
    """Yield the storages in which a tensor lies; a sparse one has several, an opaque one none."""
    for component in components_of(tensor):
        with suppress(NotImplementedError, RuntimeError, ValueError):
            yield component.untyped_storage()


def bytes_of(tensors: Iterable[torch.Tensor]) -> int:
    """Return the bytes of all memory in which some tensors lie, each once."""
    storages = {storage_address(one): one for tensor in tensors for one in memory_of(tensor)}
    return sum(storage.nbytes() for storage in storages.values())


def components_of(tensor: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Return the dense tensors of which a sparse one consists; a dense one is its own."""
    if tensor.layout is torch.sparse_coo:
        return coo_tensors(tensor)
    if tensor.layout in (torch.sparse_csr, torch.sparse_bsr):
        return tensor.crow_indices(), tensor.col_indices(), tensor.values()
    if tensor.layout in (torch.sparse_csc, torch.sparse_bsc):
        return tensor.ccol_indices(), tensor.row_indices(), tensor.values()
    return (tensor,)
