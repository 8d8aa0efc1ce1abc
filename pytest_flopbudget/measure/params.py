"""The parameters of each layer, also those that lie packed in an object of torch's runtime.

And their state: what a measurement depends on beside the layers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from pytest_flopbudget.measure.input_descriptions import dtype_name
from pytest_flopbudget.measure.torch_internals.modules import unpacked
from pytest_flopbudget.measure.torch_internals.storages import memory_of
from pytest_flopbudget.measure.torch_internals.tensors import storage_address

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

    from pytest_flopbudget.measure.layers import Layers
    from pytest_flopbudget.measure.profiled_call import ProfiledCall


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


def state_of(profiled: ProfiledCall) -> tuple[str, ...]:
    """Return the dtypes of a model's parameters and buffers, and how it runs."""
    model, layers = profiled.module, profiled.layers.modules
    packed = (tensor for layer in layers for tensor in packed_tensors(layer))
    held = [*model.parameters(), *filter(_has_real_values, model.buffers()), *packed]
    autocast = {
        dtype_name(torch.get_autocast_dtype(kind))
        for kind in {tensor.device.type for tensor in profiled.tensors} - {"meta"}
        if torch.is_autocast_enabled(kind)
    }
    ranks = max(map(_ranks, held), default=1)
    return (
        *sorted({dtype_name(tensor.dtype) for tensor in held}),
        *(f"autocast {dtype}" for dtype in sorted(autocast)),
        *(["compiled"] if profiled.is_compiled else []),
        *([f"sharded over {ranks} ranks"] if ranks > 1 else []),
    )


def _has_real_values(buffer: torch.Tensor) -> bool:
    """Return whether a buffer is none of indices or counts, as `num_batches_tracked`."""
    return buffer.is_floating_point() or buffer.is_complex() or buffer.is_quantized


def _ranks(tensor: torch.Tensor) -> int:
    """Return over how many ranks a `DTensor` is spread, 1 for a tensor that is whole here."""
    if type(tensor).__name__ != "DTensor":
        return 1
    spread: Any = tensor
    is_sharded = any(placement.is_shard() for placement in spread.placements)
    return int(spread.device_mesh.size()) if is_sharded else 1


def weight_bytes(layers: Layers) -> list[int]:
    """Return how many bytes the parameters and buffers of each layer lie in.

    Each storage counts once, in the first layer that holds a tensor in it.
    """
    own: list[int] = []
    seen: set[int] = set()
    for module in layers.modules:
        held = [*module.parameters(recurse=False), *module.buffers(recurse=False)]
        storages = {storage_address(one): one for tensor in held for one in memory_of(tensor)}
        new = [storage.nbytes() for key, storage in storages.items() if key not in seen]
        seen |= storages.keys()
        own.append(sum(new) + sum(map(packed_bytes, packed_tensors(module))))
    return own


def packed_scalars(module: nn.Module) -> int:
    """Return how many scalars a quantised layer has in the packed weights and biases it holds."""
    return sum(tensor.numel() for tensor in packed_tensors(module))


def packed_tensors(module: nn.Module) -> list[torch.Tensor]:
    """Return the tensors in the packed weights and biases that a quantised layer holds."""
    objects = [v for v in vars(module).values() if isinstance(v, torch.ScriptObject)]
    tensors = list(held_tensors(objects))  # held, so that addresses stay theirs
    return list({tensor.data_ptr(): tensor for tensor in tensors}.values())


def packed_bytes(tensor: torch.Tensor) -> int:
    """Return the bytes in which an unpacked tensor is stored: a matrix of floats as float16."""
    is_half = tensor.dtype is torch.float32 and tensor.dim() > len(("bias",))
    return tensor.numel() * (torch.float16.itemsize if is_half else tensor.itemsize)


def held_tensors(value: Any) -> Iterator[torch.Tensor]:
    """Yield the tensors in objects of torch's runtime, as they are unpacked."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from held_tensors(item)
    elif isinstance(value, torch.ScriptObject):
        yield from held_tensors(unpacked(value))
