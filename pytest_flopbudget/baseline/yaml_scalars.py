"""YAML scalars: how texts and numbers are written so that every reader gives them back."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from pytest_flopbudget.metrics import Figure

LOOKS_LIKE_A_NUMBER = re.compile(r"[-+]?(0[xob])?[\d._:]+(e[-+]?\d+)?", re.IGNORECASE)


def text_scalar(text: str, *, flow: bool = False) -> str:
    """Write a text so that every YAML reader gives it back: plain where that is safe."""
    if _is_plain(text, flow=flow):
        return text
    if text.isprintable():
        return "'" + text.replace("'", "''") + "'"
    return '"' + "".join(_escaped(character) for character in text) + '"'


def _is_plain(text: str, *, flow: bool) -> bool:
    if not re.fullmatch(r"[^\W_][\w.:,+/()@\[\] <>=-]*", text) or not text.isprintable():
        return False
    if text != text.strip() or ": " in text or text.endswith(":"):
        return False
    if flow and re.search(r"[,\[\]{}:]", text):
        return False
    resolvers = yaml.SafeLoader.yaml_implicit_resolvers.get(text[0], [])
    special = any(pattern.match(text) for _, pattern in resolvers)
    return not special and not LOOKS_LIKE_A_NUMBER.fullmatch(text)


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    return character if character.isprintable() else f"\\U{ord(character):08x}"


def number_text(figure: Figure, value: float) -> str:
    """Write the value of a figure in stored units and without an exponent.

    A count has all its digits, a time has four.
    """
    if figure.timed:
        rounded = Decimal(f"{value:.3e}")
        return f"{rounded:.9f}".rstrip("0").rstrip(".")
    whole, rest = divmod(int(value), figure.scale)
    digits = len(str(figure.scale)) - 1
    return f"{whole}.{rest:0{digits}d}".rstrip("0") if rest else str(whole)
