"""The descriptions of inputs, as baselines write them: `float32[1, 3, 640, 640]`, `mask=None`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any

import torch


def description(value: Any) -> str:
    """Return the description of one argument; of an object that is no container, its type."""
    if isinstance(value, torch.Tensor):
        return _of_tensor(value)
    if value is None or isinstance(value, bool | int | float | str):
        return repr(value)
    if isinstance(value, Mapping):
        return f"{{{_of_named(value, ': ')}}}"
    if isinstance(value, Sequence):
        return "[" + ", ".join(map(description, value)) + "]"
    if is_dataclass(value) and not isinstance(value, type):
        held = {field.name: getattr(value, field.name) for field in fields(value)}
        return f"{type(value).__name__}({_of_named(held, '=')})"
    kind: type = value.__class__  # also of what stands in for a generator
    return kind.__name__


def dtype_name(dtype: torch.dtype) -> str:
    """Return the name of a dtype: `float32`."""
    return str(dtype).removeprefix("torch.")


def _of_named(values: Mapping[Any, Any], sign: str) -> str:
    return ", ".join(f"{key}{sign}{description(value)}" for key, value in values.items())


def _of_tensor(tensor: torch.Tensor) -> str:
    dtype = dtype_name(tensor.dtype)
    if tensor.is_nested:
        return f"{dtype}{[list(map(int, row.shape)) for row in tensor.unbind()]}"
    return f"{dtype}{list(map(int, tensor.shape))}"
