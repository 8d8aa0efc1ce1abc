"""Meta kernels that take the place of torch's own, where those differ from what devices do.

Some refuse what the real ones take. Others give a layout that no device does, so that a copy that
follows from it, or does not, would be counted otherwise than it runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from pytest_flopbudget.measure.counting.meta_kernels.result_spec import CHANNELS_LAST

if TYPE_CHECKING:
    from collections.abc import Callable


def _grouped_mm(
    a: torch.Tensor,
    b: torch.Tensor,
    offs: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    out_dtype: torch.dtype | None = None,
) -> torch.Tensor:
    """Give the result a dimension for the groups unless one side alone has it."""
    del bias
    groups = () if a.dim() != b.dim() else a.shape[:-2] if offs is None else offs.shape
    return a.new_empty((*groups, a.shape[-2], b.shape[-1]), dtype=out_dtype)


def _convolution(x: torch.Tensor, weight: torch.Tensor, *args: Any) -> torch.Tensor:
    """Give the result channels that come last if those of the input or the weight do."""
    output = torch.ops.aten.convolution.default(x, weight, *args)
    return _channels_last(output) if _has_channels_last(x, weight) else output


def _group_norm(x: torch.Tensor, *args: Any) -> tuple[torch.Tensor, ...]:
    """Give the result the layout of the input."""
    output, *statistics = torch.ops.aten.native_group_norm.default(x, *args)
    return (_channels_last(output) if _has_channels_last(x) else output, *statistics)


def _channels_last(tensor: torch.Tensor) -> torch.Tensor:
    order = CHANNELS_LAST[tensor.dim()]
    if tensor.is_contiguous(memory_format=order):
        return tensor
    return torch.empty_like(tensor, memory_format=order)


def _has_channels_last(*tensors: torch.Tensor) -> bool:
    return any(_are_last(tensor.shape, tensor.stride()) for tensor in tensors)


def _are_last(size: tuple[int, ...], stride: tuple[int, ...]) -> bool:
    """Return whether the second dimension is the innermost one, which one of size 1 leaves open."""
    if len(size) not in CHANNELS_LAST or 0 in size or stride[1] == 0:
        return False
    least = 0
    for dim in (1, *reversed(range(2, len(size))), 0):
        if stride[dim] < least or (dim == 0 and least == stride[1]):
            return False
        least = stride[dim] * max(size[dim], 1)
    return True


OVERRIDES: dict[str, Callable[..., Any]] = {  # by operator
    "aten::_grouped_mm": _grouped_mm,  # torch's own takes bfloat16 alone, the real one any dtype
    "aten::convolution": _convolution,
    "aten::native_group_norm": _group_norm,
}
