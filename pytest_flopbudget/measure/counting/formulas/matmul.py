"""Matrix products: each element of the result is a sum over the contracted dimension.

So they cost 2 * |result| * its length; the additions of a bias are element-wise, hence free. Of a
sparse matrix only what it stores is multiplied.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from pytest_flopbudget.measure.counting.formulas.registry import is_sparse, register
from pytest_flopbudget.measure.counting.formulas.sparse import sparse_matmul

if TYPE_CHECKING:
    from pytest_flopbudget.profile.shapes import Shape


@register("mm", "bmm", "_int_mm", "_scaled_mm", "_scaled_mm_v2", "matmul", "mv", "dot", "vdot",
           "quantized::matmul")  # fmt: skip
def matmul(a: Shape, b: Shape, *_: Any, out_shape: Shape, **__: Any) -> int:
    """(..., n, k) times (..., k, m)."""
    if is_sparse(a) or is_sparse(b):
        return sparse_matmul(a, b)
    return 2 * prod(out_shape) * a[-1]


@register("_foreach_mm")
def foreach_matmul(
    a: list[Shape], b: list[Shape], *_: Any, out_shape: list[Shape], **__: Any
) -> int:
    """Products of the matrices of two lists, pair by pair."""
    return sum(matmul(x, y, out_shape=out) for x, y, out in zip(a, b, out_shape, strict=True))


@register("matmul_backward")
def matmul_backward(gradient: Shape, a: Shape, b: Shape, mask: list[bool], **_: Any) -> int:
    """The gradients of a and of b each cost what the forward call did."""
    return matmul(a, b, out_shape=gradient) * (mask[0] + mask[1])


@register("addmm", "_addmm_activation", "addmv", "baddbmm")
def addmm(bias: Shape, a: Shape, b: Shape, *_: Any, out_shape: Shape, **__: Any) -> int:
    """Bias + a @ b."""
    del bias
    return matmul(a, b, out_shape=out_shape)


@register("addbmm")
def addbmm(bias: Shape, a: Shape, b: Shape, *_: Any, **__: Any) -> int:
    """Bias + the sum over the batch of a (b, n, k) @ b (b, k, m)."""
    del bias
    batch, n, k = a
    return 2 * batch * n * k * b[-1]


@register("linear", "mkldnn_linear")
def linear(x: Shape, weight: Shape, *_: Any, **__: Any) -> int:
    """From x (..., in) times weight (out, in), transposed."""
    return 2 * prod(x[:-1]) * prod(weight)


@register("quantized::linear", "quantized::linear_relu", "quantized::linear_dynamic",
           "quantized::linear_relu_dynamic", "quantized::linear_dynamic_fp16",
           "quantized::linear_relu_dynamic_fp16", "quantized::linear_leaky_relu",
           "quantized::linear_tanh", "quantized::linear_dynamic_fp16_unpacked_weight",
           "quantized::linear_with_input_q_dq_qweight_dq_output_fp32",
           "quantized::linear_with_input_q_dq_qweight_dq_relu_output_fp32",
           "quantized::int4mm_packed_weight_cpu", "_mixed_dtypes_linear",
           "_weight_int8pack_mm", "_weight_int4pack_mm", "_weight_int4pack_mm_for_cpu",
           "_weight_int4pack_mm_with_scales_and_zeros", "_dyn_quant_matmul_4bit")  # fmt: skip
def packed_linear(x: Shape, *_: Any, out_shape: Shape, **__: Any) -> int:
    """From x (..., in) to (..., out) by a packed weight, whose shape does not show."""
    return 2 * prod(out_shape) * x[-1]


@register("_grouped_mm", "_scaled_grouped_mm", "_scaled_grouped_mm_v2",
           "transformers::grouped_mm_fallback")  # fmt: skip
def grouped_matmul(a: Shape, b: Shape, *_: Any, **__: Any) -> int:
    """Products of groups of rows: each row of a (rows, k) meets one of the g in b (g, k, m).

    With a (g, n, k) and b (k, columns) each column meets one group; with both 3-d it is a batch
    product; with both 2-d, k is split into the groups, which together cost one product.
    """
    rows = a[1:] if len(a) > len(b) else a
    return 2 * prod(rows) * b[-1]


@register("linear_backward", "mkldnn_linear_backward")
def linear_backward(x: Shape, gradient: Shape, weight: Shape, mask: list[bool], **_: Any) -> int:
    """The gradients of the input and of the weight each cost what the forward call did."""
    del gradient
    return linear(x, weight) * (mask[0] + mask[1])


@register("mkldnn_linear_backward_input")
def linear_backward_input(size: Any, gradient: Shape, weight: Shape, *_: Any, **__: Any) -> int:
    """The gradient (..., out) times weight (out, in)."""
    del size
    return 2 * prod(gradient[:-1]) * prod(weight)


@register("mkldnn_linear_backward_weights")
def linear_backward_weights(gradient: Shape, x: Shape, weight: Shape, *_: Any, **__: Any) -> int:
    """The gradient (..., out), transposed, times x (..., in)."""
    del gradient
    return linear(x, weight)


@register("_trilinear")
def trilinear(
    a: Shape,
    b: Shape,
    c: Shape,
    expand_a: list[int],
    expand_b: list[int],
    expand_c: list[int],
    summed: list[int],
    *_: Any,
    **__: Any,
) -> int:
    """Sum over products of three tensors, as in `nn.Bilinear`: a with b, then the result with c.

    Each has size 1 in the dimensions that it is expanded in. A dimension that is summed and that
    c lacks is gone after the first product.
    """
    sizes: dict[int, int] = {}
    held = [
        _dimensions(shape, e, sizes) for shape, e in ((a, expand_a), (b, expand_b), (c, expand_c))
    ]
    first = held[0] | held[1]
    second = first.difference(summed) | held[2]
    return 2 * prod(sizes[d] for d in first) + 2 * prod(sizes[d] for d in second)


def _dimensions(shape: Shape, expanded: list[int], sizes: dict[int, int]) -> set[int]:
    """Number the dimensions of an expanded tensor, and note how large its own are."""
    held = [d for d in range(len(shape) + len(expanded)) if d not in expanded]
    sizes.update(zip(held, shape, strict=True))
    return set(held)
