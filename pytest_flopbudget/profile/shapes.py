"""Shapes of tensors: tuples of sizes."""

from __future__ import annotations

Shape = tuple[int, ...]


def shape_text(shape: Shape) -> str:
    """Return a shape as `1x3x640x640`; that of a scalar is `()`."""
    return "x".join(map(str, shape)) or "()"
