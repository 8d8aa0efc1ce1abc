"""Devices: the one that a model lies on, the one that is asked for, and whether it is present."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from pytest_flopbudget.measure.torch_internals.fake_tensors import is_fake, is_in_fake_mode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


CPU, META = torch.device("cpu"), torch.device("meta")


class NotMeasuredError(Exception):
    """A metric cannot be measured on a device; the reason becomes a text of the profile."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def usable_device(name: str | None, tensors: Sequence[torch.Tensor]) -> torch.device:
    """Return the device on which a model can be run, as `requested` names it.

    Raises:
        NotMeasuredError: the machine does not have it, or there are no values to run with.
    """
    device = requested(name, tensors)
    if device.type == META.type or any(tensor.is_meta for tensor in tensors):
        raise NotMeasuredError("the weights are on meta")
    if is_in_fake_mode() or any(map(is_fake, tensors)):
        raise NotMeasuredError("the tensors are fake")
    if not is_present(device):
        raise NotMeasuredError(f"there is no device `{device}` here")
    return device


def device_of(tensors: Iterable[torch.Tensor]) -> torch.device:
    """Return the device of the first tensor; a model without any runs on the CPU."""
    return next((tensor.device for tensor in tensors), CPU)


def requested(name: str | None, tensors: Iterable[torch.Tensor]) -> torch.device:
    """Return the device that a setting names: `auto` is the accelerator, if the machine has one."""
    if name is None:
        return device_of(tensors)
    if name == "auto":
        return accelerator() or CPU
    return torch.device(name)


def is_named(device: torch.device, name: torch.device) -> bool:
    """Return whether a name, which may lack the index, is that of a device."""
    return device.type == name.type and name.index in (None, device.index)


def is_present(device: torch.device) -> bool:
    """Return whether this machine has a device."""
    if device.type in ("cpu", "meta"):
        return True
    present = accelerator()
    if present is None or present.type != device.type:
        return False
    return (device.index or 0) < torch.accelerator.device_count()


def accelerator() -> torch.device | None:
    """Return the accelerator that this machine has, without an index, or `None`."""
    return torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
