"""Tensors that stand for others: on another device, without values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from pytest_flopbudget.measure.isolation.storages import forbid_data_pointers

if TYPE_CHECKING:
    from collections.abc import Callable


class TensorSubstitutes:
    """Stand-ins by the identity of what they stand for."""

    def __init__(self) -> None:
        self._twins: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def of(self, tensor: torch.Tensor, make: Callable[[], torch.Tensor]) -> torch.Tensor:
        """Return the twin of a tensor, made once; a tensor that is held twice has one twin."""
        if id(tensor) not in self._twins:
            twin = _like(tensor, make())
            forbid_data_pointers((twin,))
            self._twins[id(tensor)] = (tensor, twin)
        return self._twins[id(tensor)][1]


def _like(tensor: torch.Tensor, twin: torch.Tensor) -> torch.Tensor:
    """Give a twin what else the tensor is: a parameter, with gradients, with attributes."""
    if isinstance(tensor, nn.Parameter):
        twin = nn.Parameter(twin, requires_grad=tensor.requires_grad)
        twin.__dict__.update(vars(tensor))
        return twin
    return twin.requires_grad_(tensor.requires_grad)
