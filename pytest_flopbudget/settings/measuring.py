"""The settings of one measurement: of a model, and of the time that is spent on its latency."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from pytest_flopbudget.profile.environment import Environment

AT_WORK = "was at work, which slows a model down"  # a tool, so a latency is inconclusive


class Delay(str):
    """The name of a phase in which nothing is measured: whoever waits is told of it."""

    __slots__ = ()


@dataclass(frozen=True, kw_only=True)
class MeasureSettings:
    """The settings of one measurement: what is measured, and how."""

    metrics: tuple[str, ...] = ("params", "gflops")
    engine: str = "dispatch"
    mode: str = "inference"
    device: str | None = None  # where to run it for real; where the model is, if there is none
    threads: int = 1  # intra-op, while timing on the CPU
    time_limit: float = 10.0  # seconds
    seed: int = 0  # of the random numbers that each run of the model draws


@dataclass(frozen=True, kw_only=True)
class LatencyGoal:
    """The purpose of a measured latency, which decides for how long a model is timed."""

    budget_ms: Callable[[Environment], Fraction | None] = lambda _: None  # the largest that passes
    may_be_stored: bool = False  # it may become a baseline, and must be good even if it passes
