"""Global flags of torch that no public function reads."""

from __future__ import annotations

import torch

__all__ = ["autocast_is_on", "default_device", "nnpack_enabled"]

# Whether some type of device computes in another dtype than that of its tensors. Asked for each
# function on meta, so it is torch's own and none of ours; below a dispatch mode it is never true.
autocast_is_on = torch._C._is_any_autocast_enabled


def default_device() -> torch.device | None:
    """Return the device that `torch.set_default_device` was given; `None` if it was not called."""
    context = getattr(torch._GLOBAL_DEVICE_CONTEXT, "device_context", None)
    device: torch.device | None = None if context is None else context.device
    return device


def nnpack_enabled() -> bool:
    """Return whether convolutions may use NNPACK."""
    enabled: bool = torch._C._get_nnpack_enabled()
    return enabled
