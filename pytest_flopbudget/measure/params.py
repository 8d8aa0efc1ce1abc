"""The parameters of each layer, also those that lie packed in an object of torch's runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from pytest_flopbudget.measure.torch_internals.modules import unpacked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

    from pytest_flopbudget.measure.layers import Layers


def count_params(layers: Layers) -> tuple[list[int], list[int]]:
    """Return how many scalars are in the parameters of each layer, and how many are trainable.

    Each tensor counts once, in the first layer that holds it. Packed weights cannot be trained.
    """
    own: list[int] = []
    trainable: list[int] = []
    seen: set[int] = set()
    for module in layers.modules:
        held = module.parameters(recurse=False)
        new = {id(p): p for p in held if id(p) not in seen}
        seen |= new.keys()
        own.append(sum(p.numel() for p in new.values()) + packed_scalars(module))
        trainable.append(sum(p.numel() for p in new.values() if p.requires_grad))
    return own, trainable


def packed_scalars(module: nn.Module) -> int:
    """Return how many scalars a quantised layer has in the packed weights and biases it holds."""
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
