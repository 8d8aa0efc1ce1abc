"""Clocks: of the host, and of an accelerator that works while the host goes on."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import torch

from pytest_flopbudget.errors import MeasureError
from pytest_flopbudget.real_time import RealTime

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_READINGS = 10**6  # until a clock that runs has another time: a tenth of a second at the most


class Clock(Protocol):
    """What tells the time; the tests have one whose time they set."""

    def now_ns(self) -> int:
        """Return nanoseconds since some fixed moment, as the host sees it."""

    def mark(self) -> Any:
        """Mark this moment in the order of the work, without waiting for any of it."""

    def settle(self) -> None:
        """Wait until the work before every mark is done."""

    def between_ns(self, start: Any, end: Any) -> int:
        """Return the nanoseconds between two marks, once they are settled."""


class HostClock:
    """The monotonic clock of the machine, for work that is done when a call returns."""

    now_ns = staticmethod(RealTime.perf_counter_ns)
    mark = staticmethod(RealTime.perf_counter_ns)

    def settle(self) -> None:
        """Return at once: all work before a mark is done."""

    def between_ns(self, start: int, end: int) -> int:
        """Return the nanoseconds between two marks."""
        return end - start


class WaitingClock(HostClock):
    """The clock of the machine, for an accelerator that cannot time its own events.

    Each mark waits for the accelerator, which costs it the overlap with the host.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device

    def mark(self) -> int:
        """Mark this moment, after all work that was started."""
        torch.accelerator.synchronize(self._device)
        return RealTime.perf_counter_ns()


class EventClock:
    """Events in the stream of an accelerator: marking never waits, and settling waits once."""

    now_ns = staticmethod(RealTime.perf_counter_ns)

    def __init__(self, device: torch.device) -> None:
        self._device = device
        module: Any = torch.get_device_module(device)
        own = hasattr(module, "Event")
        self._event = module.Event if own else partial(torch.Event, device)
        # Events take streams of their own module; those of `mps` know one stream only.
        source = module if own else torch.accelerator
        self._current_stream = getattr(source, "current_stream", None)

    def mark(self) -> Any:
        """Record an event behind the work that was started on the device."""
        event = self._event(enable_timing=True)
        event.record(*([self._current_stream(self._device)] if self._current_stream else []))
        return event

    def settle(self) -> None:
        """Wait until the device has reached every event."""
        torch.accelerator.synchronize(self._device)

    def between_ns(self, start: Any, end: Any) -> int:
        """Return the nanoseconds between two events, which torch gives in milliseconds."""
        elapsed_ms: float = start.elapsed_time(end)
        return round(elapsed_ms * 1e6)


def clock_of(device: torch.device) -> Clock:
    """Return the best clock that works on a device.

    Raises:
        MeasureError: the clock of the host stands still.
    """
    if not is_running(HostClock.now_ns):
        raise standing_still()
    if device.type in ("cpu", "meta"):
        return HostClock()
    clock = EventClock(device)
    try:
        start, end = clock.mark(), clock.mark()
        clock.settle()
        clock.between_ns(start, end)
    except (NotImplementedError, RuntimeError, TypeError):
        return WaitingClock(device)
    return clock


def is_running(now_ns: Callable[[], int]) -> bool:
    """Return whether a clock goes on while it is read: no time is left to wait by."""
    first = now_ns()
    return any(now_ns() != first for _ in range(MOST_READINGS))


def standing_still() -> MeasureError:
    """Return the error for a clock that was frozen."""
    return MeasureError(
        "the clock stands still, so no latency can be measured",
        "measure the budget where the time is not frozen",
    )
