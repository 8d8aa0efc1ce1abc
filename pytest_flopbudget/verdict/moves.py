"""Moves: costs that went from a layer to one around it or below it, so that nothing grew."""

from __future__ import annotations

from fractions import Fraction
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Growths = Mapping[str, Fraction]  # by layer path: of its own cost, negative where it lost


def moved_into(growths: Growths) -> dict[str, Fraction]:
    """Return what each layer that grew took over from layers around it and below it that lost.

    The nearest layer comes first, one around it before one below it, and each loss counts once.
    Siblings take nothing from each other: that one is cheaper makes the other no cheaper.
    """
    left = {path: -growth for path, growth in growths.items() if growth < 0}
    below: dict[str, list[str]] = {}  # by layer path: those below it that lost
    for path in left:
        for around in _around(path):
            below.setdefault(around, []).append(path)
    moved: dict[str, Fraction] = {}
    for path, growth in growths.items():
        wanted = growth
        for other in _nearest_first(path, below.get(path, ())) if left and growth > 0 else ():
            taken = min(wanted, left.get(other, Fraction(0)))
            if taken:
                left[other] -= taken
                wanted -= taken
        if growth > 0 and wanted < growth:
            moved[path] = growth - wanted
    return moved


def _nearest_first(path: str, below: list[str] | tuple[()]) -> list[str]:
    depth = _depth(path)
    return sorted([*_around(path), *below], key=lambda other: abs(_depth(other) - depth))


def _around(path: str) -> Iterator[str]:
    """Yield the paths of the layers around one, the model last."""
    if path:
        yield from reversed([*accumulate(path.split("."), "{}.{}".format)][:-1])
        yield ""


def _depth(path: str) -> int:
    return path.count(".") + 1 if path else 0
