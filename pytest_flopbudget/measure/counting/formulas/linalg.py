"""Dense linear algebra: the leading terms of the textbook algorithms, rounded down.

Golub and Van Loan, Matrix Computations, 4th edition: LU 2/3 n^3 (3.2), triangular systems n^2 for
each column (3.1), Cholesky 1/3 n^3 (4.2), LDL^T 1/3 n^3 (4.4), Householder QR (5.2). For matrices
that are not square, and for Q from its reflectors, LAPACK Working Note 41, appendix C.
Decompositions that iterate (eigenvalues, singular values) and series that depend on a norm (the
matrix exponential) have no fixed count and are uncounted.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from pytest_flopbudget.measure.counting.formulas.registry import register

if TYPE_CHECKING:
    from pytest_flopbudget.profile.shapes import Shape


@register("linalg_lu_factor_ex", "linalg_lu", "_linalg_det", "_linalg_slogdet")
def lu(a: Shape, *_: Any, **__: Any) -> int:
    """Factor a (..., m, n): k^2 (l - k / 3) with the smaller side k and the larger l.

    A determinant is the product of the diagonal of U.
    """
    short, long = sorted(a[-2:])
    return _batch(a) * (short**2 * (3 * long - short) // 3)


@register("linalg_cholesky_ex", "cholesky", "linalg_ldl_factor_ex")
def cholesky(a: Shape, *_: Any, **__: Any) -> int:
    """Factor a symmetric a (..., n, n), positive definite or not."""
    return _batch(a) * (a[-1] ** 3 // 3)


@register("linalg_inv_ex")
def inverse(a: Shape, *_: Any, **__: Any) -> int:
    """Factor a (..., n, n), then solve two triangular systems for n columns, using their zeros."""
    return _batch(a) * 2 * a[-1] ** 3


@register("cholesky_inverse")
def inverse_from_cholesky(factor: Shape, *_: Any, **__: Any) -> int:
    """Invert a factor (..., n, n), 1/3 n^3, and multiply it by its transpose, 1/3 n^3."""
    return _batch(factor) * (2 * factor[-1] ** 3 // 3)


@register("_linalg_solve_ex")
def solve(a: Shape, b: Shape, *_: Any, out_shape: list[Shape], **__: Any) -> int:
    """Factor a (..., n, n), then solve two triangular systems for each column of the result."""
    del b
    return lu(a) + _two_triangles(a, out_shape[0])


@register("linalg_lu_solve", "linalg_ldl_solve")
def solve_factored(
    factors: Shape, pivots: Any, b: Shape, *_: Any, out_shape: Shape, **__: Any
) -> int:
    """Solve two triangular systems for each column; both may broadcast."""
    del pivots, b
    return _two_triangles(factors, out_shape)


@register("cholesky_solve")
def solve_by_cholesky(b: Shape, factor: Shape, *_: Any, out_shape: Shape, **__: Any) -> int:
    """The same with the columns first."""
    del b
    return _two_triangles(factor, out_shape)


@register("linalg_solve_triangular")
def solve_triangular(a: Shape, b: Shape, *_: Any, out_shape: Shape, **__: Any) -> int:
    """Solve one triangular system of n unknowns for each column; both may broadcast."""
    del b
    return prod(out_shape) * a[-1]


@register("triangular_solve")
def triangular_solve(b: Shape, a: Shape, *_: Any, out_shape: list[Shape], **__: Any) -> int:
    """The same with the columns first, and a copy of a as a second result."""
    return solve_triangular(a, b, out_shape=out_shape[0])


@register("geqrf")
def reflectors(a: Shape, *_: Any, **__: Any) -> int:
    """Find the k = min(m, n) Householder reflectors of a (..., m, n): 2 k^2 (l - k / 3)."""
    short, long = sorted(a[-2:])
    return _batch(a) * (2 * short**2 * (3 * long - short) // 3)


@register("linalg_householder_product")
def orthogonal(reflectors: Shape, scales: Shape, *_: Any, **__: Any) -> int:
    """Form n columns of Q from k reflectors of m: 4 m n k - 2 (m + n) k^2 + 4/3 k^3."""
    *_batch_dims, m, n = reflectors
    return _batch(reflectors) * _q(m, n, scales[-1])


@register("linalg_qr")
def qr(a: Shape, mode: str = "reduced", *_: Any, **__: Any) -> int:
    """Find the reflectors of a (..., m, n) and form min(m, n) columns of Q, all m, or none."""
    m, n = a[-2:]
    columns = {"reduced": min(m, n), "complete": m, "r": 0}[mode]
    return reflectors(a) + (_batch(a) * _q(m, columns, min(m, n)) if columns else 0)


@register("ormqr")
def multiply_by_orthogonal(
    a: Shape, scales: Shape, other: Shape, left: bool = True, *_: Any, **__: Any
) -> int:
    """Apply k reflectors to other (..., m, n): 2 n k (2 m - k), or from its right side."""
    del a
    rows, columns = other[-2:] if left else other[:-3:-1]
    k = scales[-1]
    return _batch(other) * 2 * columns * k * (2 * rows - k)


def _two_triangles(a: Shape, solution: Shape) -> int:
    """Solve two triangular systems of n^2 for each column of n in the solution."""
    return 2 * prod(solution) * a[-1]


def _q(m: int, n: int, k: int) -> int:
    return (4 * m * n * k - 2 * (m + n) * k**2) + 4 * k**3 // 3


def _batch(a: Shape) -> int:
    return prod(a[:-2])
