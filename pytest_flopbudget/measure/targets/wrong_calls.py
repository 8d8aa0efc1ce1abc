"""Notes on calls that raised: arguments that were handed over as a tuple, or as a shape."""

from __future__ import annotations

from typing import Any

import torch

SEQUENCES = (tuple, list)


def argument_note(args: Any, kwargs: Any) -> str:
    """Return what the arguments of a call that raised were probably meant to be, if anything."""
    given = args if type(args) is tuple else (args,)
    return "" if kwargs else _note(given)


def _note(args: tuple[Any, ...]) -> str:
    first = args[0] if args else None
    if len(args) > 1 and all(map(_is_size, args)):
        return _shape_note(args)
    if len(args) != 1 or not isinstance(first, SEQUENCES) or not first:
        return ""
    if all(map(_is_size, first)):
        return _shape_note(tuple(first))
    if all(isinstance(item, torch.Tensor) for item in first):
        number = f"{len(first)} tensor{'s' if len(first) > 1 else ''}"
        return (
            f"the model was given one {type(first).__name__} of {number}: "
            "if it takes them as arguments, hand them over one by one"
        )
    return ""


def _shape_note(sizes: tuple[int, ...]) -> str:
    shown = ", ".join(map(str, sizes))
    text = f"({shown},)" if len(sizes) == 1 else f"({shown})"
    return f"`{text}` looks like a shape: hand over a tensor, `torch.zeros({shown})`"


def _is_size(value: Any) -> bool:
    return type(value) is int
