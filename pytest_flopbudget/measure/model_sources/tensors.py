"""The parameters and buffers of a model, one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch
    from torch import nn


class NamedTensor(NamedTuple):
    """One parameter or buffer."""

    name: str  # with the path of its layer before it
    is_parameter: bool
    trainable: bool
    scalars: int
    shape: tuple[int, ...]
    dtype: str
    bytes: int
    mean: float | None  # of its values; none on meta, and of what has no numbers
    deviation: float | None


def named_tensors(model: nn.Module) -> Iterator[NamedTensor]:
    """Yield each parameter, then each buffer, once."""
    for name, parameter in model.named_parameters():
        yield _named(name, parameter, is_parameter=True)
    for name, buffer in model.named_buffers():
        yield _named(name, buffer, is_parameter=False)


def _named(name: str, tensor: torch.Tensor, *, is_parameter: bool) -> NamedTensor:
    known = tensor.is_floating_point() and not tensor.is_meta and tensor.numel() > 0
    values = tensor.detach().double() if known else None
    return NamedTensor(
        name=name,
        is_parameter=is_parameter,
        trainable=tensor.requires_grad,
        scalars=tensor.numel(),
        shape=tuple(tensor.shape),
        dtype=str(tensor.dtype).removeprefix("torch."),
        bytes=tensor.numel() * tensor.element_size(),
        mean=None if values is None else values.mean().item(),
        deviation=None if values is None else values.std(correction=0).item(),
    )
