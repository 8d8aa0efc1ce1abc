"""Where a model lies, whether a device is there, and the way there and back."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CPU = torch.device("cpu")


def device_of(tensors: Iterable[torch.Tensor]) -> torch.device:
    """Return where the first tensor lies; a model without any runs on the CPU."""
    return next((tensor.device for tensor in tensors), CPU)


def dtype_of(tensors: Iterable[torch.Tensor]) -> torch.dtype:
    """Return the type of the first floating-point tensor, or the default."""
    floating = (tensor.dtype for tensor in tensors if tensor.is_floating_point())
    return next(floating, torch.get_default_dtype())


def requested(name: str | None, tensors: Iterable[torch.Tensor]) -> torch.device:
    """Resolve a device setting; `auto` is the accelerator if there is one."""
    if name is None:
        return device_of(tensors)
    if name == "auto":
        found = torch.accelerator.is_available()
        return (torch.accelerator.current_accelerator() if found else None) or CPU
    return torch.device(name)


def is_there(device: torch.device) -> bool:
    """Tell whether tensors can be put on a device here."""
    if device.type in ("cpu", "meta"):
        return True
    if not torch.accelerator.is_available():
        return False
    present = torch.accelerator.current_accelerator()
    count = torch.accelerator.device_count()
    return present is not None and present.type == device.type and (device.index or 0) < count


@contextmanager
def moved(model: nn.Module, device: torch.device) -> Iterator[None]:
    """Put parameters and buffers on a device; the tensor objects stay, and get back their data.

    Nothing is copied back, so that not a bit of the model changes.
    """
    homes = [(t, t.data) for t in (*model.parameters(), *model.buffers()) if t.device != device]
    try:
        for tensor, data in homes:
            tensor.data = data.to(device)
        yield
    finally:
        for tensor, data in homes:
            tensor.data = data
