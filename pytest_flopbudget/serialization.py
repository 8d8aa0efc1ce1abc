"""Frozen records to JSON-safe values and back: what workers of xdist send, and JSON reports."""

from __future__ import annotations

import json
from dataclasses import Field, fields, is_dataclass
from enum import Enum
from fractions import Fraction
from functools import cache
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


def dumps(value: object) -> str:
    """Return a record as JSON in ASCII, by which any text and any integer gets through."""
    return json.dumps(encode(value), separators=(",", ":"))


def loads(annotation: type[T], text: str) -> T:
    """Return the record that `dumps` wrote."""
    return decode(annotation, json.loads(text))


def encode(value: object) -> Any:
    """Return dicts, lists, strings and numbers for records, tuples, enums and fractions."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: encode(getattr(value, f.name)) for f in fields(value) if _is_encoded(f)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Fraction):
        return int(value) if value.denominator == 1 else f"{value.numerator}/{value.denominator}"
    if isinstance(value, list | tuple):
        return [encode(item) for item in value]
    if isinstance(value, dict):
        return {key: encode(item) for key, item in value.items()}
    return value


def decode(annotation: type[T], value: Any) -> T:
    """Return the value that `encode` encoded, of the type that an annotation names."""
    return _decode(annotation, value)  # type: ignore[no-any-return]


def _is_encoded(field: Field[Any]) -> bool:
    """Return whether a field counts when records are compared; others say where one was found."""
    return field.compare


def _decode(annotation: Any, value: Any) -> Any:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        others = (argument for argument in arguments if argument is not type(None))
        return None if value is None else _decode(next(others), value)
    if origin is tuple:
        return tuple(_decode(arguments[0], item) for item in value)
    if origin is dict:
        return {key: _decode(arguments[1], item) for key, item in value.items()}
    if isinstance(annotation, type) and is_dataclass(annotation):
        hints = _hints(annotation)
        return annotation(**{key: _decode(hints[key], item) for key, item in value.items()})
    takes_text = isinstance(annotation, type) and issubclass(annotation, Enum | Fraction)
    return annotation(value) if takes_text else value


@cache
def _hints(annotation: type) -> dict[str, Any]:
    return get_type_hints(annotation)
