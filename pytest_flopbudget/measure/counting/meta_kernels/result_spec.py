"""Result specs: sizes, strides and dtype of what an operator returns, told from plain integers.

torch has several ways to find the strides of a result, and they disagree where dimensions of
size 1, or two memory formats, leave a choice. What is told here is what all of them agree on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

CHANNELS_LAST = {4: torch.channels_last, 5: torch.channels_last_3d}


class TensorSpec(NamedTuple):
    """The size, dtype and strides of one tensor; without strides it is contiguous."""

    size: Sequence[int]
    dtype: torch.dtype
    strides: tuple[int, ...] | None = None


ResultSpec = TensorSpec | list[TensorSpec | None]  # a list: of operators with several results


def contiguous(size: Sequence[int]) -> tuple[int, ...]:
    """Return the strides of a new tensor; of one without elements as if it had some."""
    strides, step = [], 1
    for length in reversed(size):
        strides.append(step)
        step *= max(length, 1)
    return tuple(reversed(strides))


def is_contiguous(*tensors: Tensor) -> bool:
    """Return whether tensors can only be read as contiguous, also along dimensions of size 1."""
    return all(
        tensor.stride() == contiguous(tensor.shape) and not _is_channels_last(tensor)
        for tensor in tensors
    )


def strides_of_each(tensor: Tensor, *others: Tensor) -> tuple[int, ...] | None:
    """Return the strides of what is computed element by element from tensors of one size."""
    size, own = tensor.shape, tensor.stride()
    orders = {_order(tensor), *map(_order, others)}
    order = orders.pop()
    if orders or order is None:
        return None
    steps = dict(zip(order, contiguous([size[dim] for dim in order]), strict=True))
    strides = tuple(steps[dim] for dim in range(len(size)))
    is_packed = all(a == b for a, b, n in zip(own, strides, size, strict=True) if n > 1)
    may_keep = is_packed and all(other.stride() == own for other in others)
    if may_keep and strides != own and not (others and tensor.is_contiguous()):
        return None  # some kernels keep the stride of a dimension of size 1
    return strides


def _order(tensor: Tensor) -> tuple[int, ...] | None:
    """Return the dimensions from the outermost to the innermost, if only one order is possible."""
    size, stride = tensor.shape, tensor.stride()
    order = tuple(_sorted(size, stride))
    if 0 in stride:
        return None
    if tensor.is_contiguous() and order != tuple(range(len(size))):
        return None
    if _is_channels_last(tensor):
        in_order = (0, *range(2, len(size)), 1)
        steps = contiguous([size[dim] for dim in in_order])
        if order != in_order or tuple(stride[dim] for dim in order) != steps:
            return None
    return order


def is_apart(tensor: Tensor) -> bool:
    """Return whether each element surely has memory of its own."""
    size, stride = tensor.shape, tensor.stride()
    last = 0  # how far away an element can be, by the dimensions seen so far
    for dim in reversed(_sorted(size, stride)):
        if size[dim] > 1 and stride[dim] <= last:
            return False
        last += (size[dim] - 1) * stride[dim]
    return True


def _sorted(size: Sequence[int], stride: Sequence[int]) -> list[int]:
    """List dimensions from the outermost to the innermost, as element-wise kernels sort them."""
    order = list(range(len(size)))
    order.sort(key=lambda dim: (-stride[dim], -size[dim], dim))
    return order


def _is_channels_last(tensor: Tensor) -> bool:
    order = CHANNELS_LAST.get(tensor.dim())
    return order is not None and tensor.is_contiguous(memory_format=order)
