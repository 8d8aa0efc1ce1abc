"""The bytes of a view of memory: what an operator moves that reads or writes it once."""

from __future__ import annotations

from functools import lru_cache
from math import prod

import torch

from pytest_flopbudget.measure.torch_internals.storages import components_of
from pytest_flopbudget.measure.torch_internals.tensors import storage_address

# The identity of its memory, where in that it begins, its size and its strides.
View = tuple[int, int | torch.SymInt, tuple[int, ...], tuple[int, ...]]


@lru_cache(maxsize=2**14)  # models repeat their layers: a look-up takes a third of the sum
def elements_of(size: tuple[int, ...], stride: tuple[int, ...]) -> int:
    """Return how many elements of memory a view reaches.

    Of an expanded dimension one is there (stride 0), and windows that overlap reach no further
    than from the first to the last element. A view with steps moves what it takes, not the gaps.
    """
    if 0 in size:
        return 0
    taken = prod([n for n, step in zip(size, stride, strict=True) if step])
    extent = 1 + sum([(n - 1) * abs(step) for n, step in zip(size, stride, strict=True)])
    return min(taken, extent)


def view_of(tensor: torch.Tensor) -> tuple[View, int]:
    """Return the identity of a view, and its bytes: of a sparse tensor those of its parts."""
    try:  # faster than to ask first; what has no strides refuses
        memory = storage_address(tensor.untyped_storage())
        size, stride = tensor.shape, tensor.stride()
        place = memory, tensor.storage_offset(), size, stride
    except (NotImplementedError, RuntimeError, ValueError):
        return (id(tensor), 0, tensor.shape if not tensor.is_nested else (), ()), _parts(tensor)
    return place, elements_of(size, stride) * tensor.itemsize


def bytes_of(tensor: torch.Tensor) -> int:
    """Return the bytes of a tensor: what reading or writing it once moves."""
    return view_of(tensor)[1]


def _parts(tensor: torch.Tensor) -> int:
    parts = components_of(tensor)
    if parts[0] is tensor:  # nested, or packed by a library: it keeps its strides to itself
        return tensor.numel() * tensor.itemsize
    return sum(map(bytes_of, parts))
