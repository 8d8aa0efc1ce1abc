"""Latency: how long one call takes, without hooks, and then how long each layer takes."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median, quantiles
from typing import TYPE_CHECKING

import torch

from pytest_flopbudget.measure.garbage import uncollected
from pytest_flopbudget.measure.layers import Layers, Tracker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

    from pytest_flopbudget.measure.call import Call
    from pytest_flopbudget.measure.clock import Clock

WARM_UP_CALLS = 3
MIN_ROUNDS = 5
MAX_ROUNDS = 50
LAYER_ROUNDS = 10
LAYER_SHARE = 0.25  # of the time limit, for the rounds that time layers


@dataclass(frozen=True)
class Round:
    """One timed call, in nanoseconds."""

    forward_ns: int
    backward_ns: int

    @property
    def total_ns(self) -> int:
        """Both ways."""
        return self.forward_ns + self.backward_ns


@dataclass
class Latency:
    """The medians over all rounds, in milliseconds."""

    total_ms: float
    forward_ms: float
    backward_ms: float
    spread_ms: float  # between the quartiles
    rounds: int
    own_ms: list[float] = field(default_factory=list)  # by layer; empty where not measured


class Stopwatch:
    """Runs calls and times them, as long as there is time left."""

    def __init__(self, model: nn.Module, call: Call, clock: Clock, limit_s: float) -> None:
        self._model = model
        self._call = call
        self._objects = call.objects()
        self._clock = clock
        self._start_ns = clock.now_ns()
        self._limit_ns = limit_s * 1e9

    def has_time(self, share: float = 1.0) -> bool:
        """Tell whether less than this share of the time limit is spent."""
        return self._clock.now_ns() - self._start_ns < self._limit_ns * share

    def warm_up(self) -> None:
        """Run the calls that are thrown away, at least one."""
        for done in range(WARM_UP_CALLS):
            if done and not self.has_time(LAYER_SHARE):
                break
            self.round()

    def round(self) -> Round:
        """Time one call; the arguments are as they were before the one before it."""
        self._objects.restore()
        call = self._call.fresh()
        start = self._clock.now_ns()
        output = call.forward(self._model)
        middle = self._clock.now_ns()
        if call.training:
            call.backward(output)
        return Round(middle - start, self._clock.now_ns() - middle)


def time_call(
    model: nn.Module,
    layers: Layers | None,
    call: Call,
    clock: Clock,
    *,
    threads: int,
    limit_s: float,
) -> Latency:
    """Time whole calls, then the layers.

    Args:
        model: what is timed.
        layers: of the model, or `None` if they do not run one by one, as in a compiled model.
        call: its inputs and mode.
        clock: tells the time.
        threads: intra-op threads on the CPU while timing.
        limit_s: seconds of timing at the most; one warm-up and one round are always run, layers
            are timed only if time is left.
    """
    watch = Stopwatch(model, call, clock, limit_s)
    with _quiet(threads):
        watch.warm_up()
        rounds = [watch.round()]
        while len(rounds) < MAX_ROUNDS and watch.has_time(1 - LAYER_SHARE):
            rounds.append(watch.round())
        own_ms = [] if layers is None else _time_layers(watch, layers, clock)
    return _summary(rounds, own_ms)


def _time_layers(watch: Stopwatch, layers: Layers, clock: Clock) -> list[float]:
    """Measure the own forward time of each layer: between the moments when layers take turns."""
    samples: list[list[int]] = []
    while len(samples) < LAYER_ROUNDS and watch.has_time():
        own, last, running = [0] * len(layers), clock.now_ns(), 0

        def switch(layer: int) -> None:
            nonlocal last, running
            now = clock.now_ns()
            own[running] += now - last  # noqa: B023 - each round has its own function
            last, running = now, layer

        with Tracker(layers, on_switch=switch).attached():
            watch.round()
        samples.append(own)
    return [median(times) / 1e6 for times in zip(*samples, strict=True)]


def _summary(rounds: list[Round], own_ms: list[float]) -> Latency:
    totals = [r.total_ns / 1e6 for r in rounds]
    first, _, third = quantiles(totals, n=4) if len(totals) > 1 else (0.0, 0.0, 0.0)
    return Latency(
        total_ms=median(totals),
        forward_ms=median(r.forward_ns for r in rounds) / 1e6,
        backward_ms=median(r.backward_ns for r in rounds) / 1e6,
        spread_ms=third - first,
        rounds=len(rounds),
        own_ms=own_ms,
    )


@contextmanager
def _quiet(threads: int) -> Iterator[None]:
    """Hold the garbage collector and the number of threads still."""
    before = torch.get_num_threads()
    gc.collect()
    torch.set_num_threads(threads)
    try:
        with uncollected():
            yield
    finally:
        torch.set_num_threads(before)
