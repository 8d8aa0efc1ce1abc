"""The memory that tensors lie in, so that a view is known by what it looks at."""

from __future__ import annotations

import torch
from torch.multiprocessing.reductions import StorageWeakRef

Storage = StorageWeakRef | int


def storage_of(tensor: torch.Tensor) -> Storage:
    """Identify the memory of a tensor, and keep its identity from being given to another one.

    A sparse, packed or wrapping tensor has no memory of its own to share: it stands for itself.
    """
    if tensor.layout is not torch.strided:
        return id(tensor)
    try:
        return StorageWeakRef(tensor.untyped_storage())
    except (NotImplementedError, RuntimeError):
        return id(tensor)
