"""Memory meters: an accelerator's allocator, or the storages of the tensors on the CPU."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Protocol

import torch

from pytest_flopbudget.measure.hardware.devices import CPU, NotMeasuredError
from pytest_flopbudget.measure.memory.cpu_allocations import CpuAllocationTracker

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

STATISTICS = ("memory_allocated", "max_memory_allocated", "reset_peak_memory_stats")


class MemoryMeter(Protocol):
    """What tells how many bytes are allocated."""

    def recording(self) -> AbstractContextManager[Any]:
        """Return the context in which allocations are recorded."""

    def alive(self) -> int:
        """Return the bytes that are allocated now."""

    def peak(self) -> int:
        """Return the most bytes that were allocated at any moment since the last restart."""

    def restart(self) -> None:
        """Let the peak begin anew at what is allocated now."""


class AllocatorMeter:
    """The statistics that an accelerator's caching allocator keeps of one device."""

    def __init__(self, device: torch.device) -> None:
        self._module: Any = torch.get_device_module(device)
        self._device = device

    def recording(self) -> AbstractContextManager[Any]:
        """Need no context: the allocator always counts."""
        return nullcontext()

    def alive(self) -> int:
        """Return the bytes in tensors and in the workspaces of libraries."""
        return int(self._module.memory_allocated(self._device))

    def peak(self) -> int:
        """Return the most since the last restart."""
        return int(self._module.max_memory_allocated(self._device))

    def restart(self) -> None:
        """Reset the statistics; nothing can put the former peak back."""
        self._module.reset_peak_memory_stats(self._device)


def meter_of(device: torch.device, *, compiled: bool) -> MemoryMeter:
    """Return what measures memory on a device.

    Raises:
        NotMeasuredError: nothing can.
    """
    if device.type == CPU.type:
        if compiled:  # its code allocates without any operator
            raise NotMeasuredError("a compiled model hides its tensors on the CPU")
        return CpuAllocationTracker()
    module = torch.get_device_module(device)
    if not all(hasattr(module, name) for name in STATISTICS):
        raise NotMeasuredError(f"`{device.type}` keeps no statistics of its peak of memory")
    return AllocatorMeter(device)
