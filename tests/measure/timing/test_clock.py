"""Clocks: of the host, of events in a stream, and which of them a device gets."""

from __future__ import annotations

import sys
import time
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from pytest_flopbudget import profile_model
from pytest_flopbudget.errors import MeasureError
from pytest_flopbudget.measure.hardware.devices import accelerator
from pytest_flopbudget.measure.timing import clock as clock_module
from pytest_flopbudget.measure.timing.clock import EventClock, HostClock, WaitingClock, clock_of

DEVICE = torch.device("cuda:1")


@pytest.mark.parametrize("clock", [HostClock(), clock_of(torch.device("cpu"))])
def test_the_clock_of_the_host_does_not_go_back(clock: HostClock) -> None:
    marks = [clock.mark() for _ in range(100)]
    clock.settle()
    assert marks == sorted(marks)
    assert clock.between_ns(5, 12) == 7
    assert clock.now_ns() >= marks[-1]


class OwnStream(SimpleNamespace):
    """A stream of the accelerator's module; its events take no other."""


class FakeEvent:
    """An event that happens at the time at which its stream stands."""

    def __init__(self, *args: Any, enable_timing: bool) -> None:
        assert enable_timing
        self.ms: float | None = None

    takes: type = OwnStream

    def record(self, stream: Any) -> None:
        assert type(stream) is self.takes
        stream.ms += 1.5
        self.ms = stream.ms

    def elapsed_time(self, end: Any) -> float:
        return end.ms - self.ms


class Accelerator:
    """A module of an accelerator with the given events, and what was asked of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, event: Any) -> None:
        self.waited: list[torch.device] = []
        self.streams: dict[torch.device, Any] = {}
        module = SimpleNamespace(Event=event, current_stream=self.own) if event else object()
        monkeypatch.setattr(torch, "get_device_module", lambda _: module)
        monkeypatch.setattr(torch.accelerator, "synchronize", self.waited.append)
        monkeypatch.setattr(torch.accelerator, "current_stream", self.plain)

    def own(self, device: torch.device) -> Any:
        return self.streams.setdefault(device, OwnStream(ms=0.0))

    def plain(self, device: torch.device) -> Any:
        return self.streams.setdefault(device, SimpleNamespace(ms=0.0))


def test_events_are_recorded_in_the_stream_of_the_device_and_waited_for_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake = Accelerator(monkeypatch, FakeEvent)
    clock = EventClock(DEVICE)
    start, middle, end = clock.mark(), clock.mark(), clock.mark()
    assert fake.waited == []
    clock.settle()
    assert fake.waited == [DEVICE]
    assert list(fake.streams) == [DEVICE]
    assert (clock.between_ns(start, middle), clock.between_ns(start, end)) == (1_500_000, 3_000_000)


def test_a_device_with_events_is_timed_by_them(monkeypatch: pytest.MonkeyPatch) -> None:
    Accelerator(monkeypatch, FakeEvent)
    assert isinstance(clock_of(DEVICE), EventClock)


def test_a_device_whose_module_has_no_events_gets_those_of_torch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Accelerator(monkeypatch, None)
    made: list[torch.device] = []

    def event(device: torch.device, *, enable_timing: bool) -> FakeEvent:
        made.append(device)
        plain = FakeEvent(enable_timing=enable_timing)
        plain.takes = SimpleNamespace
        return plain

    monkeypatch.setattr(torch, "Event", event)
    assert isinstance(clock_of(DEVICE), EventClock)
    assert made == [DEVICE, DEVICE]


def test_events_of_a_device_with_one_stream_take_none(monkeypatch: pytest.MonkeyPatch) -> None:
    class Only(FakeEvent):
        now = 0.0

        def record(self) -> None:  # type: ignore[override]
            Only.now += 1.5
            self.ms = Only.now

    Accelerator(monkeypatch, None)
    monkeypatch.setattr(torch, "get_device_module", lambda _: SimpleNamespace(Event=Only))
    clock = clock_of(torch.device("mps"))
    assert isinstance(clock, EventClock)
    assert clock.between_ns(clock.mark(), clock.mark()) == 1_500_000


@pytest.mark.parametrize("error", [RuntimeError, NotImplementedError, TypeError])
def test_a_device_that_cannot_time_its_events_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    class Broken(FakeEvent):
        def elapsed_time(self, end: Any) -> float:
            raise error

    fake = Accelerator(monkeypatch, Broken)
    clock = clock_of(DEVICE)
    assert isinstance(clock, WaitingClock)
    fake.waited.clear()
    clock.mark()
    assert fake.waited == [DEVICE]


# A time that a test froze.


def freeze(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the functions of `time`, and what modules took from there by name."""
    names = {n: getattr(time, n) for n in ("time", "monotonic", "perf_counter", "perf_counter_ns")}
    modules = [module for module in sys.modules.values() if module is not None]
    for name, real in names.items():
        for module in (m for m in modules if vars(m).get(name) is real):
            monkeypatch.setattr(module, name, lambda: 5)


def test_a_time_that_is_frozen_later_is_not_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    freeze(monkeypatch)
    assert time.perf_counter_ns() == 5
    clock = clock_of(torch.device("cpu"))
    assert clock.now_ns() != 5
    assert clock_module.is_running(clock.now_ns)
    assert clock.between_ns(clock.mark(), clock.mark()) >= 0


def test_a_clock_that_stands_still_is_an_error_after_a_bounded_number_of_readings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As of what freezes the time below Python."""
    readings: list[int] = []
    monkeypatch.setattr(clock_module, "MOST_READINGS", 100)
    monkeypatch.setattr(HostClock, "now_ns", lambda: readings.append(1) or 5)
    with pytest.raises(MeasureError, match=r"^the clock stands still, so no latency"):
        clock_of(torch.device("cpu"))
    assert len(readings) == 101


@pytest.mark.gpu
@pytest.mark.skipif(accelerator() is None, reason="there is no accelerator here")
def test_a_real_accelerator_is_timed_by_events() -> None:
    device = accelerator()
    assert device is not None
    assert isinstance(clock_of(device), EventClock)
    model = nn.Sequential(*(nn.Linear(2048, 2048) for _ in range(8))).to(device)
    rows = torch.zeros(4096, 2048, device=device)
    profile = profile_model(model, rows, metrics=("latency",))
    assert profile.latency_ms is not None
    own = [layer.own_latency_ms or 0 for layer in profile.layers[1:]]
    assert sum(own) == pytest.approx(profile.latency_ms, rel=0.2)
    assert max(own) < 2 * min(own)
