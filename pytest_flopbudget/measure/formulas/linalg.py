"""Dense linear algebra: the leading terms of the textbook algorithms.

Golub and Van Loan, Matrix Computations, 4th edition: LU 2/3 n^3 (3.2), triangular systems n^2 for
each column (3.1), Cholesky 1/3 n^3 (4.2). Rounded down. Decompositions that iterate (eigenvalues,
singular values) have no fixed count and are uncounted.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from pytest_flopbudget.measure.formulas.registry import register

if TYPE_CHECKING:
    from pytest_flopbudget.profile import Shape


@register("linalg_lu_factor_ex", "linalg_lu", "_linalg_det", "_linalg_slogdet")
def lu(a: Shape, *_: Any, **__: Any) -> int:
    """Factor a (..., n, n); a determinant is the product of the diagonal of U."""
    return _batch(a) * (2 * a[-1] ** 3 // 3)


@register("linalg_cholesky_ex", "cholesky")
def cholesky(a: Shape, *_: Any, **__: Any) -> int:
    """Factor a positive definite a (..., n, n)."""
    return _batch(a) * (a[-1] ** 3 // 3)


@register("linalg_inv_ex")
def inverse(a: Shape, *_: Any, **__: Any) -> int:
    """Factor a (..., n, n), then solve two triangular systems for n columns, using their zeros."""
    return _batch(a) * 2 * a[-1] ** 3


@register("_linalg_solve_ex")
def solve(a: Shape, b: Shape, *_: Any, **__: Any) -> int:
    """Factor a (..., n, n), then solve two triangular systems for each column of b."""
    columns = b[-1] if len(b) == len(a) else 1
    return lu(a) + _batch(a) * 2 * a[-1] ** 2 * columns


@register("linalg_solve_triangular", "triangular_solve")
def solve_triangular(a: Shape, b: Shape, *_: Any, out_shape: Any, **__: Any) -> int:
    """Solve one triangular system of n unknowns for each column; both may broadcast."""
    del b
    solution = out_shape if isinstance(out_shape, tuple) else out_shape[0]
    return prod(solution) * a[-1]


def _batch(a: Shape) -> int:
    return prod(a[:-2])
