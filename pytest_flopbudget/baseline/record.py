"""A baseline as a frozen record, in base units."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

from pytest_flopbudget.metrics import MEMORY
from pytest_flopbudget.profile.layer_paths import is_below

if TYPE_CHECKING:
    from pytest_flopbudget.metrics import Metric

FORMAT = 1
COSTS = {  # field of a profile: (its key in the file, how many of it make one stored unit)
    "params": ("params", 1),
    "flops": ("gflops", 10**9),
    "forward_flops": ("forward_gflops", 10**9),
    "backward_flops": ("backward_gflops", 10**9),
}
TIMES = ("total_ms", "forward_ms", "backward_ms")
LOCATION = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class OwnCost:
    """What one layer costs by itself; layers that cost nothing are not stored."""

    type: str
    costs: dict[str, int]  # field of a profile: base units


@dataclass(frozen=True, kw_only=True)
class LatencyEntry:
    """What one environment measured: latency, memory or both."""

    torch: str  # major.minor
    flops: int | None  # that it was timed for
    times: dict[str, float]  # `total_ms`, in training mode `forward_ms` and `backward_ms`
    memory_bytes: int | None = None
    layers: dict[str, float] = field(default_factory=dict)  # path: ms, its total

    def figure(self, metric: Metric) -> Fraction | None:
        """Return what is stored of a metric, in base units: the decimal that the file has."""
        value = self.memory_bytes if metric is MEMORY else self.times.get(metric.stored)
        return None if value is None else Fraction(str(value))


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """A stored profile: exact costs of the model and each layer, the rest per environment."""

    test: str
    model: str
    inputs: tuple[str, ...]
    mode: str
    engine: str
    counter: str | None = None
    total: dict[str, int]
    own: dict[str, OwnCost]
    ignored: tuple[str, ...] = ()
    latency: dict[str, LatencyEntry] = field(default_factory=dict)
    lines: dict[LOCATION, int] = field(default_factory=dict, compare=False, repr=False)

    def total_of(self, path: str, cost: str) -> int:
        """Sum a cost over a layer and all layers below it."""
        return sum(own.costs.get(cost, 0) for p, own in self.own.items() if is_below(p, path))

    def line(self, *location: str) -> int | None:
        """Find the line of a key in the file, or that of the nearest key around it."""
        while location:
            if location in self.lines:
                return self.lines[location]
            location = location[:-1]
        return None


def stored_text(count: int, scale: int) -> str:
    """Write a count in stored units with every digit and no exponent."""
    whole, rest = divmod(count, scale)
    return f"{whole}.{rest:0{len(str(scale)) - 1}d}".rstrip("0") if rest else str(whole)
