"""Substitutes of tensors: without values, or on another device."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from pytest_flopbudget.measure.torch_internals.autograd import copy_gradient_hooks
from pytest_flopbudget.measure.torch_internals.fake_tensors import is_fake
from pytest_flopbudget.measure.torch_internals.tensors import forbid_data_pointer

if TYPE_CHECKING:
    from collections.abc import Callable


class TensorSubstitutes:
    """The substitutes that were made so far, by the identity of the tensors they replace."""

    def __init__(self) -> None:
        self._pairs: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}  # the tensor, its substitute

    def of(self, tensor: torch.Tensor, make: Callable[[], torch.Tensor]) -> torch.Tensor:
        """Return the one substitute of a tensor, made by `make` if there is none yet."""
        if id(tensor) not in self._pairs:
            substitute = _like(tensor, make())
            copy_gradient_hooks(tensor, substitute)
            if substitute.is_meta or is_fake(substitute):
                forbid_data_pointer(substitute)
            self._pairs[id(tensor)] = (tensor, substitute)
        return self._pairs[id(tensor)][1]


def _like(tensor: torch.Tensor, substitute: torch.Tensor) -> torch.Tensor:
    """Make a substitute what else the tensor is: a parameter, with gradients, with attributes."""
    if isinstance(tensor, nn.Parameter):
        parameter = nn.Parameter(substitute, requires_grad=tensor.requires_grad)
        vars(parameter).update(vars(tensor))
        return parameter
    if type(tensor) is torch.Tensor and vars(tensor):  # those of a wrapper are what it wraps
        vars(substitute).update(vars(tensor))
    return substitute.requires_grad_(tensor.requires_grad)
