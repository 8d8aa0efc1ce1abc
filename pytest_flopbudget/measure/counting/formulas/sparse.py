"""Products with sparse matrices: what is stored is what is multiplied.

Each stored element meets each column of a dense operand once: 2 * stored * columns, whether the
layout is COO, CSR, CSC or blocked, where all elements of a block are stored.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from pytest_flopbudget.measure.counting.formulas.registry import is_sparse, register
from pytest_flopbudget.measure.counting.formulas.tensor_values import meeting_pairs, stored_elements

if TYPE_CHECKING:
    from pytest_flopbudget.profile.shapes import Shape


@register("_sparse_sparse_matmul", "hspmm", "_sparse_mm_reduce_impl")
def sparse_matmul(a: Shape, b: Shape, *_: Any, **__: Any) -> int:
    """(..., n, k) times (..., k, m), also where a mean or an extreme takes the place of the sum.

    Each element that a sparse a stores meets each of m columns, or one vector; each that a
    sparse b stores meets each of n rows; two of both meet where one's column is the other's row.
    """
    if is_sparse(a) and is_sparse(b):
        return 2 * meeting_pairs(a, b)
    if is_sparse(a):
        return 2 * stored_elements(a) * (b[-1] if len(b) > 1 else 1)
    return 2 * stored_elements(b) * a[-2]


@register("_sparse_addmm", "sspaddmm")
def sparse_addmm(bias: Shape, a: Shape, b: Shape, *_: Any, **__: Any) -> int:
    """Bias + a @ b, one of which is sparse."""
    del bias
    return sparse_matmul(a, b)


@register("_sparse_mm_reduce_impl_backward")
def sparse_matmul_backward(
    a: Shape,
    gradient: Shape,
    b: Shape,
    reduce: str,
    chosen: Any,
    mask: list[bool],
    **_: Any,
) -> int:
    """The gradients of a, where it is stored, and of b each cost what the forward call did."""
    del gradient, reduce, chosen
    return sparse_matmul(a, b) * (mask[0] + mask[1])


@register("sparse_sampled_addmm")
def sampled_matmul(pattern: Shape, a: Shape, b: Shape, *_: Any, **__: Any) -> int:
    """From a (..., n, k) @ b (..., k, m), only the elements that the sparse pattern stores."""
    del b
    return 2 * stored_elements(pattern) * a[-1]


@register("_sparse_semi_structured_mm")
def semi_structured_matmul(a: Shape, meta: Any, b: Shape, *_: Any, **__: Any) -> int:
    """From a (n, k / 2), of which two of each four elements are stored, by b (k, m)."""
    del meta
    return 2 * prod(a) * b[-1]


@register("_sparse_semi_structured_addmm")
def semi_structured_addmm(bias: Shape, a: Shape, meta: Any, b: Shape, *_: Any, **__: Any) -> int:
    """Bias + the same."""
    del bias
    return semi_structured_matmul(a, meta, b)


@register("_sparse_semi_structured_linear")
def semi_structured_linear(x: Shape, weight: Shape, *_: Any, **__: Any) -> int:
    """From x (..., in) by a weight (out, in / 2), of which half is stored."""
    return 2 * prod(x[:-1]) * prod(weight)


@register("_cslt_sparse_mm")
def compressed_matmul(a: Any, b: Shape, *_: Any, out_shape: Shape, **__: Any) -> int:
    """The same with a weight (n, k / 2) and its pattern in one tensor, by b (k, m)."""
    del a
    return prod(out_shape) * b[0]
