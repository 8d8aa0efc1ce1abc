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
    """Return a model whose parameters have shapes: a copy after its first call, if any is lazy."""
    lazy = list(_lazy_tensors(model))
    if not lazy:
        return model
    twin: nn.Module = deepcopy(model, {id(tensor): _another(tensor) for tensor in lazy})
    set_mode(twin, training=False)
    with (
        restored_after(model),
        call.standing_in(torch.clone) as inputs,
    ):  # above all, random numbers
        replace(inputs, training=False).forward(twin)
    for original, copied in zip(model.modules(), twin.modules(), strict=True):
        copied.training = original.training
    return twin


def _lazy_tensors(model: nn.Module) -> Iterator[Any]:
    return filter(is_lazy, chain(model.parameters(), model.buffers()))


def _another(tensor: Any) -> Any:
    """Copy a tensor that has no shape yet; `deepcopy` cannot copy such a buffer."""
    kind = {"device": tensor.device, "dtype": tensor.dtype}
    if isinstance(tensor, UninitializedBuffer):
        return UninitializedBuffer(**kind)
    return UninitializedParameter(requires_grad=tensor.requires_grad, **kind)
