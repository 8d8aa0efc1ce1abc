"""Layouts that are stated and not taken from a backend: which copies follow depends on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_flopbudget.measure.torch_internals.dispatch import functions_as_they_are

if TYPE_CHECKING:
    import torch


def in_the_order_of(query: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
    """Return the output of attention with its dimensions in the order that its query has."""
    with functions_as_they_are():
        steps = query.stride()
        order = sorted(range(query.dim()), key=lambda dim: (-steps[dim], dim))
        in_order = output.permute(order)
        if in_order.is_contiguous() or 0 in steps:
            return output
        back = sorted(range(query.dim()), key=order.__getitem__)
        return in_order.contiguous().permute(back)
