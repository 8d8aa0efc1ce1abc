"""Layer paths: dotted names from the root of a model, as in `state_dict`."""

from __future__ import annotations

from pytest_flopbudget.escaping import named


def shown_path(path: str) -> str:
    """Return a layer path as it is shown; the root, whose path is empty, is `(model)`."""
    return named(path) or "(model)"


def is_below(path: str, ancestor: str) -> bool:
    """Return whether `path` is `ancestor` or a layer inside of it."""
    return not ancestor or path == ancestor or path.startswith(f"{ancestor}.")
