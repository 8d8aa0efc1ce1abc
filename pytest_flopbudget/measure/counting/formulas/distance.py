"""Pairwise distances: a difference and a sum for each pair of points and each coordinate.

That is 2 * pairs * coordinates, also where p = 2 is computed by a matrix product.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from pytest_flopbudget.measure.counting.formulas.registry import register

if TYPE_CHECKING:
    from pytest_flopbudget.profile.shapes import Shape


@register("_cdist_forward", "_euclidean_dist")
def distances(x: Shape, y: Shape, *_: Any, out_shape: Shape, **__: Any) -> int:
    """Between x (..., n, d) and y (..., m, d)."""
    del y
    return 2 * prod(out_shape) * x[-1]


@register("_cdist_backward")
def distances_backward(gradient: Shape, x: Shape, *_: Any, **__: Any) -> int:
    """The gradient of one side; autograd asks for each side by itself."""
    return 2 * prod(gradient) * x[-1]


@register("_pdist_forward")
def distances_within(x: Shape, *_: Any, out_shape: Shape, **__: Any) -> int:
    """Between the n (n - 1) / 2 pairs of x (n, d)."""
    return 2 * prod(out_shape) * x[-1]


@register("_pdist_backward")
def distances_within_backward(gradient: Shape, x: Shape, *_: Any, **__: Any) -> int:
    """The gradient of x."""
    return 2 * prod(gradient) * x[-1]
