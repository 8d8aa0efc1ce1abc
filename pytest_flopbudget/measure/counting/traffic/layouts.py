"""Layouts that are stated and not taken from a backend: which copies follow depends on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_flopbudget.measure.counting.meta_kernels.cache import empty
from pytest_flopbudget.measure.counting.meta_kernels.result_spec import TensorSpec, contiguous
from pytest_flopbudget.measure.torch_internals.dispatch import (
    functions_as_they_are,
    without_dispatch_modes,
)
from pytest_flopbudget.measure.torch_internals.tensors import forbid_data_pointer

if TYPE_CHECKING:
    import torch


def in_the_order_of(steps: tuple[int, ...], output: torch.Tensor) -> torch.Tensor:
    """Return a tensor with its dimensions in the order of those that have these strides.

    So attention gives its output as its query lies, and gradients as their tensors do.
    """
    with functions_as_they_are():
        order = sorted(range(len(steps)), key=lambda dim: (-steps[dim], dim))
        packed = contiguous([output.shape[dim] for dim in order])
        strides = tuple(step for _, step in sorted(zip(order, packed, strict=True)))
        if output.stride() == strides or 0 in steps:
            return output
        if output.is_meta and not output.requires_grad:
            with without_dispatch_modes():  # faster, and without values the same
                restrided: torch.Tensor = empty(TensorSpec(output.shape, output.dtype, strides))
            forbid_data_pointer(restrided)
            return restrided
        back = sorted(range(len(steps)), key=order.__getitem__)
        return output.permute(order).contiguous().permute(back)
