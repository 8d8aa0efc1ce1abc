"""The metrics as one table: how each is named, measured, stored, shown and compared."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

SMALLEST_SHOWN = 0.05  # percent; less than this rounds to 0.0

Number = int | float | Fraction


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One number of a profile: its field there, its key in a baseline file, and its text.

    Values are kept in base units (scalars, FLOPs, milliseconds, bytes); `scale` base units are one
    unit as it is shown and stored.
    """

    field: str  # the attribute of a profile; a layer's own value has `own_` before it
    yaml_key: str  # in a baseline file
    label: str
    unit: str
    scale: int
    decimals: int  # after the point, for values of ordinary size
    exact: bool  # the same on every machine, so that equality is meant literally
    adds_up: bool = True  # what layers cost by themselves adds up to the model's value
    timed: bool = False  # a duration: no whole number, and other processes can disturb it

    @property
    def heading(self) -> str:
        """The label with its unit, for a column or a row."""
        return self.label if self.unit in ("", self.label) else f"{self.label} ({self.unit})"

    @property
    def noun(self) -> str:
        """What follows a value in a sentence: the unit, and the label if that says no more."""
        if self.unit in ("", self.label):
            return self.label
        return self.unit if self.timed else f"{self.unit} {self.label}"

    def of(self, profile: Any) -> int | float | None:
        """Return the value of a model, or the total of a layer; `None` if it was not measured."""
        value: int | float | None = getattr(profile, self.field)
        return value

    def own(self, layer: Any) -> int | float | None:
        """Return what a layer has by itself; `None` if it was not measured, or does not add up."""
        value: int | float | None = getattr(layer, f"own_{self.field}") if self.adds_up else None
        return value

    def shown(self, value: Number) -> Decimal:
        """Convert base units to shown units, exactly for every exact figure."""
        fraction = Fraction(value) / self.scale
        return Decimal(fraction.numerator) / Decimal(fraction.denominator)

    def text(self, value: Number | None, decimals: int | None = None) -> str:
        """Format a value in shown units, without its unit; `-` where nothing was measured."""
        if value is None:
            return "-"
        return f"{self.shown(value):,.{self.decimals if decimals is None else decimals}f}"

    def exactly(self, value: Number) -> str:
        """Format a value with every digit that it has; a budget may lie between two counts."""
        text = f"{self.shown(value):,.12f}"
        return text.rstrip("0").rstrip(".")

    def format_pair(self, one: Number | None, other: Number | None) -> tuple[str, str]:
        """Format two values alike; exactly, if rounding would make different ones look equal."""
        values = [value for value in (one, other) if value]
        decimals = self.decimals_for((max if self.exact else min)(values, default=0))
        texts = self.text(one, decimals), self.text(other, decimals)
        if one is None or other is None or one == other or texts[0] != texts[1]:
            return texts
        return self.exactly(one), self.exactly(other)

    def decimals_for(self, value: Number | None) -> int:
        """Return how many decimals show four digits of `value` (three of a noisy one).

        A column shares the decimals of its total.
        """
        if self.scale == 1 and self.exact:
            return 0
        shown = self.shown(value or 0)
        if not shown:
            return self.decimals
        digits, most = (4, 9) if self.exact else (3, 6)
        return min(most, max(self.decimals, digits - 1 - shown.adjusted()))


@dataclass(frozen=True, kw_only=True)
class Metric(Figure):
    """A figure that a budget can limit.

    It is stored in `total` and `own` of a baseline if it is exact, else by environment.
    """

    key: str  # what a user types
    ceiling: str  # the marker argument that limits it absolutely, in shown units
    tolerance: Decimal  # the default
    always_shown: bool = False  # it has a column in the table of layers even if not measured
    layer_label: str = ""  # what it is called of a layer, if not by its label
    counted: str = ""  # what it counts in operators: where one is uncounted, it is unknown
    has_phases: bool = False  # in training mode, forward and backward are measured as well
    by_layer: bool = False  # each layer's own is judged as well
    moves_by_itself: bool = False  # though exact, so that less is better only by the tolerance
    of_torch: bool = False  # the same under one minor version of torch, perhaps not under others

    @property
    def layer_heading(self) -> str:
        """The heading of a column of layers."""
        return replace(self, label=self.layer_label or self.label).heading

    @cached_property
    def phases(self) -> tuple[Figure, ...]:
        """The figures of forward and backward alone, which only training mode has."""
        return tuple(map(self._phase, ("forward", "backward"))) if self.has_phases else ()

    def improvement(self, tolerance: Number) -> Number:
        """Return by how much a value must be less than the baseline to be an improvement."""
        return tolerance if self.moves_by_itself or not self.exact else 0

    @property
    def figures(self) -> tuple[Figure, ...]:
        """The metric itself, then its phases."""
        return (self, *self.phases)

    def unreliable_reason(self, profile: Any) -> str:
        """Return why the measured value may be mere noise; empty if it is to be believed."""
        reason: str = profile.unreliable_reason if self.timed else ""
        return reason

    def _phase(self, name: str) -> Figure:
        shared = {f.name: getattr(self, f.name) for f in fields(Figure)}
        yaml_key = f"{name}_{self.yaml_key.removeprefix('total_')}"
        return Figure(
            **{**shared, "field": f"{name}_{self.field}", "yaml_key": yaml_key, "label": name}
        )


PARAMS = Metric(
    key="params",
    field="params",
    yaml_key="params",
    ceiling="max_params",
    label="params",
    unit="",
    scale=1,
    decimals=0,
    exact=True,
    tolerance=Decimal(0),
    always_shown=True,
    by_layer=True,
)
GFLOPS = Metric(
    key="gflops",
    field="flops",
    yaml_key="gflops",
    ceiling="max_gflops",
    label="GFLOPs",
    unit="GFLOPs",
    scale=10**9,
    decimals=2,
    exact=True,
    tolerance=Decimal(0),
    always_shown=True,
    counted="FLOPs",
    has_phases=True,
    by_layer=True,
)
TRAFFIC = Metric(
    key="traffic",
    field="traffic_bytes",
    yaml_key="traffic_mb",
    ceiling="max_traffic_mb",
    label="traffic",
    unit="MB",
    scale=10**6,
    decimals=2,
    exact=True,
    tolerance=Decimal("0.01"),
    counted="traffic",
    has_phases=True,
    moves_by_itself=True,
    of_torch=True,
    by_layer=True,
)
OPERATORS = Metric(
    key="operators",
    field="operators",
    yaml_key="operators",
    ceiling="max_operators",
    label="operators",
    unit="",
    scale=1,
    decimals=0,
    exact=True,
    tolerance=Decimal(0),
    counted="operators",
    has_phases=True,
    of_torch=True,
)
WEIGHTS = Metric(
    key="weights",
    field="weights_bytes",
    yaml_key="weights_mb",
    ceiling="max_weights_mb",
    label="weights",
    unit="MB",
    scale=10**6,
    decimals=2,
    exact=True,
    tolerance=Decimal(0),
)
LATENCY = Metric(
    key="latency",
    field="latency_ms",
    yaml_key="total_ms",
    ceiling="max_latency_ms",
    label="latency",
    unit="ms",
    scale=1,
    decimals=2,
    exact=False,
    tolerance=Decimal("0.25"),
    timed=True,
    always_shown=True,
    layer_label="time",
    has_phases=True,
)
MEMORY = Metric(
    key="memory",
    field="memory_bytes",
    yaml_key="memory_mb",
    ceiling="max_memory_mb",
    label="memory",
    unit="MB",
    scale=10**6,
    decimals=2,
    exact=False,
    adds_up=False,  # a peak
    tolerance=Decimal("0.05"),
)

METRICS = {
    metric.key: metric for metric in (PARAMS, GFLOPS, TRAFFIC, OPERATORS, WEIGHTS, LATENCY, MEMORY)
}


def exact_metrics() -> list[Metric]:
    """Return the metrics that are the same on every machine, in the order of the table."""
    return [metric for metric in METRICS.values() if metric.exact]


def noisy_metrics() -> list[Metric]:
    """Return the metrics that depend on the environment, in the order of the table."""
    return [metric for metric in METRICS.values() if not metric.exact]


def figures_of(metrics: Iterable[Metric]) -> list[Figure]:
    """Return the figures of some metrics: each metric, followed by its phases."""
    return [figure for metric in metrics for figure in metric.figures]


def ceilings() -> dict[str, Metric]:
    """Return the metrics by the marker arguments that limit them."""
    return {metric.ceiling: metric for metric in METRICS.values()}


def change_text(measured: Number | None, baseline: Number | None) -> str:
    """Format the relative change from `baseline` to `measured`, as `+3.3 %`.

    It is empty if there is no such value. A change that rounds to nothing keeps a `<`, so that it
    is never mistaken for none.
    """
    if measured is None or baseline is None:
        return ""
    if measured == baseline:
        return "0 %"
    if not baseline:
        return "new"
    percent = 100 * float((Fraction(measured) - Fraction(baseline)) / Fraction(baseline))
    sign = "+" if percent > 0 else "-"
    return f"{sign}{abs(percent):.1f} %" if abs(percent) >= SMALLEST_SHOWN else f"{sign}<0.1 %"
