"""The bytes of a view of memory: what an operator moves that reads or writes it once."""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING

import torch

from pytest_flopbudget.measure.torch_internals.storages import components_of
from pytest_flopbudget.measure.torch_internals.tensors import storage_address

if TYPE_CHECKING:
    from collections.abc import Hashable


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


def bytes_of(tensor: torch.Tensor) -> int:
    """Return the bytes of a tensor: of a sparse one those of its values and indices."""
    if tensor.layout is torch.strided and not tensor.is_nested:
        return elements_of(tensor.shape, tensor.stride()) * tensor.itemsize
    parts = components_of(tensor)
    if parts[0] is tensor:  # nested, or packed by a library: it keeps its strides to itself
        return tensor.numel() * tensor.itemsize
    return sum(map(bytes_of, parts))


def view_of(tensor: torch.Tensor) -> tuple[int, Hashable]:
    """Return the identity of a view: its memory, then where in it the view lies."""
    if tensor.layout is torch.strided and not tensor.is_nested:
        return address_of(tensor), (tensor.storage_offset(), tensor.shape, tensor.stride())
    return id(tensor), None


def address_of(tensor: torch.Tensor) -> int:
    """Return the identity of the memory of a tensor, as long as it is alive."""
    try:
        return storage_address(tensor.untyped_storage())
    except (NotImplementedError, RuntimeError):  # it has none of its own, or hides it
        return id(tensor)
