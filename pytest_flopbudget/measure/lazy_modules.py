"""Models with lazy parameters, whose shapes the first call gives them."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter, is_lazy

from pytest_flopbudget.measure.call import set_mode
from pytest_flopbudget.measure.isolation.model_state import restored_after

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

    from pytest_flopbudget.measure.call import ModelCall


def initialized(model: nn.Module, call: ModelCall) -> nn.Module:
    """Return the model, or if it has lazy parameters, a copy of it after a first call."""
    lazy = list(_lazy_tensors(model))
    if not lazy:
        return model
    copy: nn.Module = deepcopy(model, {id(tensor): _copy(tensor) for tensor in lazy})
    set_mode(copy, training=False)
    # What is restored are above all the random numbers, and what copy and model share.
    with restored_after(model), call.substituted(torch.clone) as inputs:
        replace(inputs, training=False).forward(copy)
    for module, copied in zip(model.modules(), copy.modules(), strict=True):
        copied.training = module.training
    return copy


def _lazy_tensors(model: nn.Module) -> Iterator[Any]:
    return filter(is_lazy, chain(model.parameters(), model.buffers()))


def _copy(tensor: Any) -> Any:
    """Copy a tensor that has no shape yet; `deepcopy` cannot copy such a buffer."""
    options = {"device": tensor.device, "dtype": tensor.dtype}
    if isinstance(tensor, UninitializedBuffer):
        return UninitializedBuffer(**options)
    return UninitializedParameter(requires_grad=tensor.requires_grad, **options)
