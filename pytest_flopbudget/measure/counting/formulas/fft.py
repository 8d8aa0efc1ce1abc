"""Fourier transforms: 5 n log2 n for n complex points, half of that for real ones.

This is the convention of FFTW's benchmarks (https://www.fftw.org/speed/method.html), the count of
the radix-2 algorithm, whatever algorithm runs. Rounded to a whole number for each transform.
"""

from __future__ import annotations

from math import log2, prod
from typing import TYPE_CHECKING, Any

from pytest_flopbudget.measure.counting.formulas.registry import register

if TYPE_CHECKING:
    from pytest_flopbudget.profile.shapes import Shape


@register("_fft_c2c")
def complex_transform(x: Shape, dim: list[int], *_: Any, **__: Any) -> int:
    """From x to its transform over `dim`, for each point of the other dimensions."""
    return _transforms(x, dim, per_point=5)


@register("_fft_r2c")
def real_transform(x: Shape, dim: list[int], *_: Any, **__: Any) -> int:
    """From real x; of the result only half is kept."""
    return _transforms(x, dim, per_point=2.5)


@register("_fft_c2r")
def real_inverse(x: Shape, dim: list[int], *_: Any, out_shape: Shape, **__: Any) -> int:
    """To a real result, from half of a transform."""
    del x
    return _transforms(out_shape, dim, per_point=2.5)


def _transforms(shape: Shape, dim: list[int], *, per_point: float) -> int:
    points = prod(shape[d] for d in dim)
    if not points:
        return 0
    return prod(shape) // points * round(per_point * points * log2(points))
