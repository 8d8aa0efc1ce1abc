"""Meta kernels of matrix products, normalisation, reductions, concatenation and embedding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from pytest_flopbudget.measure.counting.meta_kernels.result_spec import (
    CHANNELS_LAST,
    TensorSpec,
    is_contiguous,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from pytest_flopbudget.measure.counting.meta_kernels.result_spec import ResultSpec


def mm(x: Tensor, y: Tensor) -> ResultSpec | None:
    fits = x.dim() == y.dim() and x.shape[-1] == y.shape[-2] and x.shape[:-2] == y.shape[:-2]
    return TensorSpec((*x.shape[:-1], y.shape[-1]), x.dtype) if fits else None


def addmm(bias: Tensor, x: Tensor, y: Tensor, **options: Any) -> ResultSpec | None:
    return mm(x, y) if not options and bias.shape == (y.shape[1],) else None


def softmax(x: Tensor, dim: int, half_to_float: object = None) -> ResultSpec | None:
    plain = is_contiguous(x) and not half_to_float and -x.dim() <= dim < x.dim()
    return TensorSpec(x.shape, x.dtype) if plain else None


def batch_norm(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor | None,
    var: Tensor | None,
    training: object,
    *_: float,
) -> ResultSpec | None:
    if training or mean is None or var is None or not is_contiguous(x):
        return None
    shapes = {tuple(t.shape) for t in (weight, bias, mean, var) if t is not None}
    if shapes != {tuple(x.shape[1:2])}:
        return None
    statistics = TensorSpec((x.shape[1],), x.dtype)
    return [TensorSpec(x.shape, x.dtype), statistics, statistics]


def layer_norm(
    x: Tensor, shape: Sequence[int], weight: Tensor | None, bias: Tensor | None, _: float
) -> ResultSpec | None:
    kept = x.dim() - len(shape)
    shapes = {tuple(t.shape) for t in (weight, bias) if t is not None} | {tuple(shape)}
    if not is_contiguous(x) or kept < 0 or shapes != {tuple(x.shape[kept:])}:
        return None
    moments = TensorSpec((*x.shape[:kept], *[1] * len(shape)), x.dtype)
    return [TensorSpec(x.shape, x.dtype), moments, moments]


def mean(
    x: Tensor, dims: Sequence[int] | None = None, keepdim: object = None, **options: Any
) -> ResultSpec | None:
    if not dims or options or not is_contiguous(x):
        return None
    gone = {dim % x.dim() for dim in dims if -x.dim() <= dim < x.dim()}
    if len(gone) < len(dims):
        return None
    sizes = (1 if i in gone else n for i, n in enumerate(x.shape) if i not in gone or keepdim)
    return TensorSpec(tuple(sizes), x.dtype)


def cat(tensors: Sequence[Tensor], dim: int = 0) -> ResultSpec | None:
    n = tensors[0].dim()
    if not -n <= dim < n or any(tensor.dim() != n for tensor in tensors):
        return None
    if n in CHANNELS_LAST and any(tensor.stride(1) <= tensor.stride(-1) for tensor in tensors):
        return None  # channels may come last
    dim %= n
    if len({(*tensor.shape[:dim], -1, *tensor.shape[dim + 1 :]) for tensor in tensors}) > 1:
        return None
    length = sum(tensor.shape[dim] for tensor in tensors)
    size = tensors[0].shape
    return TensorSpec((*size[:dim], length, *size[dim + 1 :]), tensors[0].dtype)


def stack(tensors: Sequence[Tensor], dim: int = 0) -> ResultSpec | None:
    size, n = tensors[0].shape, tensors[0].dim() + 1
    if not -n <= dim < n or {tensor.shape for tensor in tensors} != {size}:
        return None
    if n in CHANNELS_LAST and not is_contiguous(*tensors):
        return None
    return TensorSpec((*size[: dim % n], len(tensors), *size[dim % n :]), tensors[0].dtype)


def embedding(table: Tensor, indices: Tensor, *_: Any) -> ResultSpec | None:
    if indices.dtype is not torch.int64 or not is_contiguous(table, indices):
        return None
    return TensorSpec((*indices.shape, *table.shape[1:]), table.dtype)
