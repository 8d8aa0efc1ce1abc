"""Where a model lies, whether a device is there, and the way there and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable


CPU, META = torch.device("cpu"), torch.device("meta")


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
        return accelerator() or CPU
    return torch.device(name)


def is_there(device: torch.device) -> bool:
    """Tell whether tensors can be put on a device here."""
    if device.type in ("cpu", "meta"):
        return True
    present = accelerator()
    if present is None or present.type != device.type:
        return False
    return (device.index or 0) < torch.accelerator.device_count()


def accelerator() -> torch.device | None:
    """Return the kind of accelerator that this machine has, if it has one."""
    return torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
