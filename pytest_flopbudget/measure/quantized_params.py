"""Parameters that lie packed in an object of torch's runtime, as those of quantised layers do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from pytest_flopbudget.measure.torch_internals.modules import unpacked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn


def packed_scalars(module: nn.Module) -> int:
    """Count the scalars of weights and biases in the packed attributes of a layer."""
    objects = [v for v in vars(module).values() if isinstance(v, torch.ScriptObject)]
    tensors = list(_tensors(objects))  # held, so that addresses stay theirs
    return sum({tensor.data_ptr(): tensor.numel() for tensor in tensors}.values())


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)
    elif isinstance(value, torch.ScriptObject):
        yield from _tensors(unpacked(value))
