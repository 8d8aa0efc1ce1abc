"""Meta kernels of convolution, pooling and upsampling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from pytest_flopbudget.measure.counting.meta_kernels.result_spec import (
    TensorSpec,
    contiguous,
    is_contiguous,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from pytest_flopbudget.measure.counting.meta_kernels.result_spec import ResultSpec


def _windows(x: Tensor, *options: Sequence[int]) -> tuple[int, ...] | None:
    """Return how often a window fits; `options`: its size, stride, padding and dilation."""
    n = x.dim() - 2
    if any(len(option) not in (1, n) for option in options):
        return None
    window, stride, padding, dilation = (
        tuple(option) * n if len(option) == 1 else tuple(option) for option in options
    )
    sizes = tuple(
        (size + 2 * p - d * (k - 1) - 1) // s + 1
        for size, k, s, p, d in zip(x.shape[2:], window, stride, padding, dilation, strict=True)
    )
    return sizes if min(sizes) > 0 else None


def _spread(x: Tensor, *options: Sequence[int]) -> tuple[int, ...] | None:
    """Return the size that has so many windows; `options`: as above, and what is added."""
    if any(len(option) != x.dim() - 2 for option in options):
        return None
    sizes = tuple(
        (size - 1) * s - 2 * p + d * (k - 1) + more + 1
        for size, k, s, p, d, more in zip(x.shape[2:], *options, strict=True)
    )
    return sizes if min(sizes) > 0 else None


def convolution(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: object,
    output_padding: Sequence[int],
    groups: int,
) -> ResultSpec | None:
    inputs, outputs = weight.shape[1] * groups, weight.shape[0]
    if transposed:
        inputs, outputs = outputs, inputs
    fits = x.dim() == weight.dim() and x.shape[1] == inputs and weight.shape[0] % groups == 0
    if not is_contiguous(x) or weight.stride() != contiguous(weight.shape):
        return None
    if not fits or (bias is not None and bias.shape != (outputs,)):
        return None
    if transposed:
        sizes = _spread(x, weight.shape[2:], stride, padding, dilation, output_padding)
    else:
        sizes = _windows(x, weight.shape[2:], stride, padding, dilation)
    return TensorSpec((x.shape[0], outputs, *sizes), x.dtype) if sizes else None


def max_pool(
    x: Tensor,
    window: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    dilation: Sequence[int] = (1,),
    ceil_mode: object = None,
) -> ResultSpec | None:
    too_wide = any(2 * p > k for p in padding for k in window)
    is_batch = x.dim() == len(("batch", "channel", "row", "column"))
    if ceil_mode or too_wide or not is_batch or not is_contiguous(x):
        return None
    sizes = _windows(x, window, stride or window, padding, dilation)
    if sizes is None:
        return None
    output = TensorSpec((*x.shape[:2], *sizes), x.dtype)
    return [output, TensorSpec(output.size, torch.int64)]


def upsample(x: Tensor, size: Sequence[int], *_: Any) -> ResultSpec | None:
    return (
        TensorSpec((*x.shape[:2], *size), x.dtype) if is_contiguous(x) and min(size) > 0 else None
    )
