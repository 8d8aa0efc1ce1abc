"""The settings of one measurement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from pytest_flopbudget.profile.environment import Environment


@dataclass(frozen=True, kw_only=True)
class MeasureSettings:
    """What is to be measured, and how."""

    metrics: tuple[str, ...] = ("params", "gflops")
    engine: str = "dispatch"
    mode: str = "inference"
    device: str | None = None  # where to run it for real; where the model is, if there is none
    threads: int = 1  # intra-op, while timing on the CPU
    time_limit: float = 10.0  # seconds


@dataclass(frozen=True, kw_only=True)
class LatencyGoal:
    """What a latency is for, which decides how long it is measured."""

    budget_ms: Callable[[Environment], Fraction | None] = lambda _: None  # the largest that passes
    stored: bool = False  # it may become a baseline, and must be good even if it passes
    progress: Callable[[str], None] = lambda _: None  # is told which phase begins
