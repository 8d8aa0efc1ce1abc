"""Meta kernels that take the place of torch's own where those refuse what the real ones take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch


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


OVERRIDES: dict[str, Callable[..., Any]] = {  # by operator
    "aten::_grouped_mm": _grouped_mm,  # torch's own takes bfloat16 alone, the real one any dtype
}
