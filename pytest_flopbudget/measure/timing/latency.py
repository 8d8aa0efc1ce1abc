"""Latency: how long one call takes, without any hooks, and then how long each layer takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from pytest_flopbudget.measure.isolation.process.tools import tools_at_work
from pytest_flopbudget.measure.timing import sampling
from pytest_flopbudget.measure.timing.clock import standing_still
from pytest_flopbudget.measure.timing.exclusive import exclusive_timing
from pytest_flopbudget.measure.timing.layer_timer import LayerTimer
from pytest_flopbudget.measure.timing.layer_times import OwnTimes
from pytest_flopbudget.measure.timing.noise import load_average
from pytest_flopbudget.measure.timing.sampling import Sample
from pytest_flopbudget.measure.timing.stable_process import stable_process
from pytest_flopbudget.measure.timing.stopwatch import Stopwatch
from pytest_flopbudget.measure.timing.warm_up import warm_up
from pytest_flopbudget.settings.measuring import AT_WORK

if TYPE_CHECKING:
    from pytest_flopbudget.measure.profiled_call import ProfiledCall
    from pytest_flopbudget.measure.timing.clock import Clock

LAYER_ROUNDS, MOST_LAYER_ROUNDS = 9, 100
LAYERS_FOR = 0.02  # share of the time limit in which more than `LAYER_ROUNDS` may begin
LAYERS_BY = 0.9  # share of the time limit after which no round for layers begins
MOST_STANDING = 100  # rounds that end when they began: in a second, or the clock stands still
MEMORY_GREW = "each call keeps memory, so the rounds were ended"
OTHER_THREADS = "forward changes the number of threads"
NEVER_EXCLUSIVE = "other processes timed models all the time"


@dataclass(frozen=True, kw_only=True)
class Timing:
    """The settings of one timing."""

    threads: int = 1  # intra-op, on the CPU
    limit_s: float = 10.0
    budget_ms: float | None = None  # the largest value that passes
    may_be_stored: bool = True  # whether the value may become a baseline
    compiled: bool = False  # whether the first call compiles
    layers: bool = True  # whether layers are timed as well, if they are called one by one
    progress: Callable[[str], None] = lambda _: None  # is told which phase begins


@dataclass(kw_only=True)
class Latency:
    """The latency of one call in milliseconds, and how it was measured."""

    total_ms: float
    forward_ms: float
    backward_ms: float
    median_ms: float
    spread_ms: float  # between the quartiles
    threads: int  # intra-op, in the last round: forward may set another number
    rounds: int
    uncontended: int  # rounds of those
    unreliable_reason: str  # why a value over its budget is not to be believed; empty if it is
    compile_ms: float | None = None
    load: float | None = None  # processes that wanted a core in the minute before
    own: OwnTimes | None = None  # of the layers


def time_call(profiled: ProfiledCall, clock: Clock, timing: Timing) -> Latency:
    """Time whole calls until there are enough, then the layers.

    One warm-up and one round are always run; layers are timed only if they are called one by one
    and time is left.
    """
    timing.progress("waiting for other processes that time a model")
    with (
        exclusive_timing(progress=timing.progress) as is_exclusive,
        stable_process(timing.threads),
    ):
        load = load_average()
        tools = list(tools_at_work(training=profiled.call.training))
        stopwatch = Stopwatch(profiled, clock, limit_s=timing.limit_s, threads=timing.threads)
        compile_ms = _compile(stopwatch, timing)
        timing.progress("warming up")
        warm_up(stopwatch)
        sample = sampled(stopwatch, timing)
        threads = torch.get_num_threads()
        timing.progress("timing layers")
        times_layers = timing.layers and profiled.calls_layers
        own = _time_layers(stopwatch, profiled, clock) if times_layers else None
    representative = sample.representative
    reasons = [
        *(f"{tool} {AT_WORK}" for tool in tools),
        "" if is_exclusive else NEVER_EXCLUSIVE,
        MEMORY_GREW if stopwatch.growth.is_too_much else "",
        "" if threads == timing.threads else f"{OTHER_THREADS}: {timing.threads}, then {threads}",
        sampling.unreliable_reason(sample, stopwatch.limit_ns),
    ]
    return Latency(
        total_ms=representative.total_ns / 1e6,
        forward_ms=representative.forward_ns / 1e6,
        backward_ms=representative.backward_ns / 1e6,
        median_ms=sample.median_ns / 1e6,
        spread_ms=sample.spread_ns / 1e6,
        threads=threads,
        rounds=len(sample.rounds),
        uncontended=sample.uncontended,
        unreliable_reason=next(filter(None, reasons), ""),
        compile_ms=compile_ms,
        load=load,
        own=own,
    )


def sampled(stopwatch: Stopwatch, timing: Timing) -> Sample:
    """Return the rounds that are enough to say whether the model is within its budget.

    Raises:
        MeasureError: the clock stands still.
    """
    budget_ns = None if timing.budget_ms is None else timing.budget_ms * 1e6
    sample = Sample()
    while not sample.rounds or not sampling.is_enough(
        sample, budget_ns, stopwatch.spent, may_be_stored=timing.may_be_stored
    ):
        sample.add(stopwatch.round())
        if len(sample.rounds) == MOST_STANDING and not stopwatch.spent:
            raise standing_still()
        timing.progress(f"timing, {len(sample.rounds)} rounds")
    return sample


def _compile(stopwatch: Stopwatch, timing: Timing) -> float | None:
    """Run the call in which a model is compiled, which the time limit does not include."""
    if not timing.compiled:
        return None
    timing.progress("compiling")
    compile_ns = stopwatch.round().total_ns
    stopwatch.restart()
    return compile_ns / 1e6


def _time_layers(stopwatch: Stopwatch, profiled: ProfiledCall, clock: Clock) -> OwnTimes | None:
    """Measure the own time of each layer, forward and backward, as long as there is time."""
    layers, training = profiled.layers, profiled.call.training
    rounds: list[LayerTimer] = []
    enough = stopwatch.spent + LAYERS_FOR
    while len(rounds) < MOST_LAYER_ROUNDS and stopwatch.spent < LAYERS_BY:
        if len(rounds) >= LAYER_ROUNDS and stopwatch.spent >= enough:
            break
        rounds.append(LayerTimer(layers, clock, training=training))
        stopwatch.round(rounds[-1])
    return OwnTimes.of(rounds, len(layers)) if rounds else None
