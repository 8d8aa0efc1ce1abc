"""The growth of memory from round to round, as of a model that keeps something of each call."""

from __future__ import annotations

import gc
import os
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from pytest_flopbudget.measure.hardware.devices import CPU

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_GROWTH = 512 * 2**20  # bytes, since the first call, which may fill caches
PAGES = Path("/proc/self/statm")
RESIDENT = 1  # of its fields: the pages that the process has in memory


def held_bytes(device: torch.device, pages: Path = PAGES) -> int:
    """Return the bytes that this process has in memory, and that are allocated on a device.

    Of the process Linux tells; elsewhere it is 0, as nothing is known.
    """
    held = 0
    with suppress(OSError):
        held += int(pages.read_text().split()[RESIDENT]) * os.sysconf("SC_PAGE_SIZE")
    if device.type != CPU.type:
        module: Any = torch.get_device_module(device)
        held += module.memory_allocated(device) if hasattr(module, "memory_allocated") else 0
    return held


class MemoryGrowth:
    """Notes after each round whether memory has grown by more than a call may cost."""

    def __init__(self, held: Callable[[], int]) -> None:
        self._held = held
        self._first: int | None = None  # after the first round
        self.is_too_much = False

    @classmethod
    def on(cls, device: torch.device) -> MemoryGrowth:
        """Return the growth on a device and in this process."""
        return cls(partial(held_bytes, device))

    def note(self) -> None:
        """Look again, after garbage is collected if it seems too much: nobody else collects it."""
        if self._first is None:
            self._first = self._held()
        if self._held() - self._first > MOST_GROWTH:
            gc.collect()
            self.is_too_much = self._held() - self._first > MOST_GROWTH
