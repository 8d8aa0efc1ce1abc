"""Wall-clock time, on the CPU or with an accelerator that works on its own."""

from __future__ import annotations

import time
from typing import Protocol

import torch


class Clock(Protocol):
    """What tells the time; tests put one that they wind themselves in its place."""

    def now_ns(self) -> int:
        """Return nanoseconds since some fixed moment, after all work that was started is done."""


class WallClock:
    """The monotonic clock of the machine; waits for an accelerator before it looks."""

    def __init__(self, device: torch.device) -> None:
        self._waits = device.type not in ("cpu", "meta")
        self._device = device

    def now_ns(self) -> int:
        """Return nanoseconds since some fixed moment."""
        if self._waits:
            torch.accelerator.synchronize(self._device)
        return time.perf_counter_ns()
