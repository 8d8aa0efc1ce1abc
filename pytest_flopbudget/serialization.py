"""Frozen records to JSON-safe values and back, so that they can travel between processes."""

from __future__ import annotations

from dataclasses import Field, fields, is_dataclass
from enum import Enum
from fractions import Fraction
from functools import cache
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


def encode(value: object) -> Any:
    """Turn records, tuples, dicts, enums and fractions into dicts, lists, strings and numbers."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: encode(getattr(value, f.name)) for f in fields(value) if _travels(f)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Fraction):
        return int(value) if value.denominator == 1 else f"{value.numerator}/{value.denominator}"
    if isinstance(value, list | tuple):
        return [encode(item) for item in value]
    if isinstance(value, dict):
        return {key: encode(item) for key, item in value.items()}
    return value


def decode(kind: type[T], value: Any) -> T:
    """Rebuild what `encode` took apart; `kind` is a type or an annotation of one."""
    return _decode(kind, value)  # type: ignore[no-any-return]


def _travels(field: Field[Any]) -> bool:
    """Tell whether a field is part of what the record says, and not only of where it was found."""
    return field.compare


def _decode(kind: Any, value: Any) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        kinds = (argument for argument in arguments if argument is not type(None))
        return None if value is None else _decode(next(kinds), value)
    if origin is tuple:
        return tuple(_decode(arguments[0], item) for item in value)
    if origin is dict:
        return {key: _decode(arguments[1], item) for key, item in value.items()}
    if isinstance(kind, type) and is_dataclass(kind):
        hints = _hints(kind)
        return kind(**{key: _decode(hints[key], item) for key, item in value.items()})
    takes_text = isinstance(kind, type) and issubclass(kind, Enum | Fraction)
    return kind(value) if takes_text else value


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)
