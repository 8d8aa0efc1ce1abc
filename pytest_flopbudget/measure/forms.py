"""What the most common operators return for plain inputs, without torch's meta kernels.

Those are written in Python, and the first one imports `sympy` and `torch._dynamo`, which takes as
long as the import of torch. Here are plain cases only: tensors of one floating-point dtype that
fill their memory without gaps, in an order that nobody can read in two ways. `None` leaves every
other case, and all that is an error, to torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from pytest_flopbudget.measure.storages import storage_of
from pytest_flopbudget.measure.strides import (
    CHANNELS_LAST,
    contiguous,
    is_apart,
    is_contiguous,
    strides_of_each,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_flopbudget.measure.operators import Operator

Form = tuple[tuple[int, ...], tuple[int, ...], torch.dtype]  # sizes, strides
Answer = Form | list[Form | None]  # a list: of the operators that return several tensors

DTYPES = frozenset({torch.float32, torch.float64})  # smaller ones may be computed in others


def form_of(operator: Operator, args: Any, kwargs: Any, given: Sequence[Tensor]) -> Answer | None:
    """Return the form of what an operator returns; `None` if the case is not plain."""
    form = _FORMS.get(str(operator.func))
    if form is _embedding:
        given = given[:1]  # the others are indices
    return form(*args, **kwargs) if form is not None and _are_plain(given) else None


def is_in_place(operator: Operator, args: Any, given: Sequence[Tensor]) -> bool:
    """Tell an operator that only changes the values of its first argument, which it returns."""
    if str(operator.func) not in _IN_PLACE or not _are_plain(given) or not is_apart(args[0]):
        return False
    changed, *rest = given
    return all(
        tensor.shape == changed.shape and storage_of(tensor) != storage_of(changed)
        for tensor in rest
    )


def _are_plain(given: Sequence[Tensor]) -> bool:
    """Tell tensors that have elements and one floating-point dtype."""
    dtypes = {tensor.dtype for tensor in given}
    return len(dtypes) <= 1 and dtypes <= DTYPES and all(tensor.numel() for tensor in given)


def _new(size: Sequence[int], like: Tensor, dtype: torch.dtype | None = None) -> Form:
    size = tuple(size)
    return size, contiguous(size), dtype or like.dtype


def _each(x: Tensor, *others: Tensor) -> Answer | None:
    strides = strides_of_each(x, *others)
    return None if strides is None else (x.shape, strides, x.dtype)


def _like(x: Tensor, *_: Any, **options: Any) -> Answer | None:
    """An operator that changes each element on its own."""
    return _each(x) if options.keys() <= {"approximate"} else None


def _broadcast(x: Tensor, y: Any, *, alpha: Any = 1) -> Answer | None:
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
    return _new(large.shape, x) if fits and in_order else None


def _product(x: Tensor, y: Tensor) -> Answer | None:
    fits = x.dim() == y.dim() and x.shape[-1] == y.shape[-2] and x.shape[:-2] == y.shape[:-2]
    return _new((*x.shape[:-1], y.shape[-1]), x) if fits else None


def _addmm(bias: Tensor, x: Tensor, y: Tensor, **options: Any) -> Answer | None:
    return _product(x, y) if not options and bias.shape == (y.shape[1],) else None


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


def _convolution(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: object,
    output_padding: Sequence[int],
    groups: int,
) -> Answer | None:
    inputs, outputs = weight.shape[1] * groups, weight.shape[0]
    if transposed:
        inputs, outputs = outputs, inputs
    fits = x.dim() == weight.dim() and x.shape[1] == inputs and weight.shape[0] % groups == 0
    if not fits or not is_contiguous(x) or (bias is not None and bias.shape != (outputs,)):
        return None
    if transposed:
        sizes = _spread(x, weight.shape[2:], stride, padding, dilation, output_padding)
    else:
        sizes = _windows(x, weight.shape[2:], stride, padding, dilation)
    return _new((x.shape[0], outputs, *sizes), x) if sizes else None


def _max_pool(
    x: Tensor,
    window: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    dilation: Sequence[int] = (1,),
    ceil_mode: object = None,
) -> Answer | None:
    too_wide = any(2 * p > k for p in padding for k in window)
    is_batch = x.dim() == len(("batch", "channel", "row", "column"))
    if ceil_mode or too_wide or not is_batch or not is_contiguous(x):
        return None
    sizes = _windows(x, window, stride or window, padding, dilation)
    if sizes is None:
        return None
    output = _new((*x.shape[:2], *sizes), x)
    return [output, (*output[:2], torch.int64)]


def _softmax(x: Tensor, dim: int, half_to_float: object = None) -> Answer | None:
    plain = is_contiguous(x) and not half_to_float and -x.dim() <= dim < x.dim()
    return _new(x.shape, x) if plain else None


def _batch_norm(
    x: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    mean: Tensor | None,
    var: Tensor | None,
    training: object,
    *_: float,
) -> Answer | None:
    if training or mean is None or var is None or not is_contiguous(x):
        return None
    shapes = {tuple(t.shape) for t in (weight, bias, mean, var) if t is not None}
    if shapes != {tuple(x.shape[1:2])}:
        return None
    return [_new(x.shape, x), _new((x.shape[1],), x), _new((x.shape[1],), x)]


def _layer_norm(
    x: Tensor, shape: Sequence[int], weight: Tensor | None, bias: Tensor | None, _: float
) -> Answer | None:
    kept = x.dim() - len(shape)
    shapes = {tuple(t.shape) for t in (weight, bias) if t is not None} | {tuple(shape)}
    if not is_contiguous(x) or kept < 0 or shapes != {tuple(x.shape[kept:])}:
        return None
    moments = _new((*x.shape[:kept], *[1] * len(shape)), x)
    return [_new(x.shape, x), moments, moments]


def _mean(
    x: Tensor, dims: Sequence[int] | None = None, keepdim: object = None, **options: Any
) -> Answer | None:
    if not dims or options or not is_contiguous(x):
        return None
    gone = {dim % x.dim() for dim in dims if -x.dim() <= dim < x.dim()}
    if len(gone) < len(dims):
        return None
    sizes = (1 if i in gone else n for i, n in enumerate(x.shape) if i not in gone or keepdim)
    return _new(tuple(sizes), x)


def _cat(parts: Sequence[Tensor], dim: int = 0) -> Answer | None:
    n = parts[0].dim()
    if not -n <= dim < n or any(part.dim() != n for part in parts):
        return None
    if n in CHANNELS_LAST and any(part.stride(1) <= part.stride(-1) for part in parts):
        return None  # channels may come last
    dim %= n
    if len({(*part.shape[:dim], -1, *part.shape[dim + 1 :]) for part in parts}) > 1:
        return None
    length = sum(part.shape[dim] for part in parts)
    size = parts[0].shape
    return _new((*size[:dim], length, *size[dim + 1 :]), parts[0])


def _stack(parts: Sequence[Tensor], dim: int = 0) -> Answer | None:
    size, n = parts[0].shape, parts[0].dim() + 1
    if not -n <= dim < n or {part.shape for part in parts} != {size}:
        return None
    if n in CHANNELS_LAST and not is_contiguous(*parts):
        return None
    return _new((*size[: dim % n], len(parts), *size[dim % n :]), parts[0])


def _embedding(table: Tensor, indices: Tensor, *_: Any) -> Answer | None:
    if indices.dtype is not torch.int64 or not is_contiguous(table, indices):
        return None
    return _new((*indices.shape, *table.shape[1:]), table)


def _upsample(x: Tensor, size: Sequence[int], *_: Any) -> Answer | None:
    return _new((*x.shape[:2], *size), x) if is_contiguous(x) and min(size) > 0 else None


def _arange(end: Any, **options: Any) -> Answer | None:
    return _filled((end,), **options)


def _filled(
    size: Sequence[int], *, dtype: torch.dtype | None = None, layout: object = None, **_: Any
) -> Answer | None:
    plain = all(type(n) is int and n > 0 for n in size) and dtype in DTYPES and layout is None
    return (tuple(size), contiguous(size), dtype) if plain and dtype else None


_FORMS: dict[str, Callable[..., Answer | None]] = {
    **dict.fromkeys(
        [
            *("aten.abs.default", "aten.cos.default", "aten.exp.default", "aten.gelu.default"),
            *("aten.hardsigmoid.default", "aten.hardswish.default", "aten.leaky_relu.default"),
            *("aten.neg.default", "aten.pow.Tensor_Scalar", "aten.rsqrt.default"),
            *("aten.sigmoid.default", "aten.silu.default", "aten.sin.default"),
            *("aten.sqrt.default", "aten.tanh.default", "aten.relu.default"),
            "aten.hardtanh.default",
        ],
        _like,
    ),
    "aten.add.Tensor": _broadcast,
    "aten.sub.Tensor": _broadcast,
    "aten.mul.Tensor": _broadcast,
    "aten.mul.Scalar": _broadcast,
    "aten.div.Tensor": _broadcast,
    "aten.mm.default": _product,
    "aten.bmm.default": _product,
    "aten.addmm.default": _addmm,
    "aten.convolution.default": _convolution,
    "aten.max_pool2d_with_indices.default": _max_pool,
    "aten.native_batch_norm.default": _batch_norm,
    "aten.native_layer_norm.default": _layer_norm,
    "aten._softmax.default": _softmax,
    "aten._safe_softmax.default": _softmax,
    "aten.mean.dim": _mean,
    "aten.cat.default": _cat,
    "aten.stack.default": _stack,
    "aten.embedding.default": _embedding,
    "aten.upsample_nearest2d.default": _upsample,
    "aten.arange.default": _arange,
    "aten.ones.default": _filled,
    "aten.zeros.default": _filled,
}
_IN_PLACE = frozenset(
    {
        *("aten.hardswish_.default", "aten.hardtanh_.default", "aten.leaky_relu_.default"),
        *("aten.relu_.default", "aten.sigmoid_.default", "aten.silu_.default"),
        *("aten.tanh_.default", "aten.add_.Tensor", "aten.mul_.Tensor"),
    }
)
