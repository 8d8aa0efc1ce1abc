"""How an answer is written down: sizes, strides and dtype of each output."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from pytest_flopbudget.measure.counting.meta_kernels.strides import contiguous

if TYPE_CHECKING:
    from collections.abc import Sequence

Form = tuple[tuple[int, ...], tuple[int, ...], torch.dtype]  # sizes, strides
Answer = Form | list[Form | None]  # a list: of the operators that return several tensors


def new(size: Sequence[int], like: torch.Tensor, dtype: torch.dtype | None = None) -> Form:
    """Return the form of a contiguous tensor."""
    size = tuple(size)
    return size, contiguous(size), dtype or like.dtype
