"""Meta kernels of element-wise operators, and of those that fill a tensor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from pytest_flopbudget.measure.counting.meta_kernels.result_spec import (
    TensorSpec,
    contiguous,
    is_contiguous,
    strides_of_each,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_flopbudget.measure.counting.meta_kernels.result_spec import ResultSpec

DTYPES = frozenset({torch.float32, torch.float64})  # smaller ones may be computed in others


def _each(x: Tensor, *others: Tensor) -> ResultSpec | None:
    strides = strides_of_each(x, *others)
    return None if strides is None else TensorSpec(x.shape, x.dtype, strides)


def like(x: Tensor, *_: Any, **options: Any) -> ResultSpec | None:
    """An operator that changes each element on its own."""
    return _each(x) if options.keys() <= {"approximate"} else None


def broadcast(x: Tensor, y: Any, *, alpha: Any = 1) -> ResultSpec | None:
    """Two tensors of one size, or one that fits into the other, or a tensor and a number."""
    if type(alpha) not in (int, float):
        return None
    if not isinstance(y, Tensor):
        return _each(x) if type(y) in (int, float) else None
    if x.shape == y.shape:
        return _each(x, y)
    large, small = (x, y) if x.dim() >= y.dim() and x.numel() >= y.numel() else (y, x)
    pairs = zip(reversed(large.shape), reversed(small.shape), strict=False)
    fits = small.dim() <= large.dim() and all(n in (1, m) for m, n in pairs)
    in_order = is_contiguous(large) and small.stride() == contiguous(small.shape)
    return TensorSpec(large.shape, x.dtype) if fits and in_order else None


def filled(
    size: Sequence[int], *, dtype: torch.dtype | None = None, layout: object = None, **_: Any
) -> ResultSpec | None:
    plain = all(type(n) is int and n > 0 for n in size) and dtype in DTYPES and layout is None
    return TensorSpec(size, dtype) if plain and dtype else None


def arange(end: Any, **options: Any) -> ResultSpec | None:
    return filled((end,), **options)
