"""The tensors of a declared call: floating ones drawn from the normal distribution, others zero."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from pytest_flopbudget.settings.declared import InputSpec

if TYPE_CHECKING:
    from pytest_flopbudget.settings.declared import DeclaredModel


def inputs_of(declared: DeclaredModel) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments of the call, the same each time."""
    generator = torch.Generator().manual_seed(0)
    args = tuple(_value(value, generator) for value in declared.args)
    return args, {name: _value(value, generator) for name, value in declared.kwargs.items()}


def _value(value: Any, generator: torch.Generator) -> Any:
    if not isinstance(value, InputSpec):
        return value
    dtype = getattr(torch, value.dtype)
    if dtype.is_floating_point or dtype.is_complex:
        drawn = torch.float32 if dtype.is_floating_point else dtype
        return torch.randn(value.shape, generator=generator, dtype=drawn).to(dtype)
    if value.high == 1:
        return torch.zeros(value.shape, dtype=dtype)
    return torch.randint(value.high, value.shape, generator=generator, dtype=dtype)
