"""The metrics as one table: how each is named, stored, shown and compared."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

SMALLEST_SHOWN = 0.05  # percent; less than this rounds to 0.0

Number = int | float | Fraction


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One thing that a budget can limit.

    Values are kept in base units (scalars, FLOPs, milliseconds, bytes); `scale` base units are one
    unit as it is shown and stored.
    """

    key: str  # what a user types
    field: str  # the attribute of a profile that holds it, in base units
    stored: str  # its key in a baseline file
    ceiling: str  # the marker argument that limits it absolutely, in shown units
    label: str
    unit: str
    scale: int
    decimals: int  # after the point, for values of ordinary size
    exact: bool  # the same on every machine, so that equality is meant literally
    tolerance: Decimal  # the default

    @property
    def heading(self) -> str:
        """The label with its unit, for a column or a row."""
        return self.label if self.unit in ("", self.label) else f"{self.label} ({self.unit})"

    def shown(self, value: Number) -> Decimal:
        """Convert base units to shown units, exactly for every exact metric."""
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

    def decimals_for(self, value: Number | None) -> int:
        """Find how many decimals show four digits of `value` (three of a noisy one).

        A column shares the decimals of its total.
        """
        if self.scale == 1 and self.exact:
            return 0
        shown = self.shown(value or 0)
        if not shown:
            return self.decimals
        digits, most = (4, 9) if self.exact else (3, 6)
        return min(most, max(self.decimals, digits - 1 - shown.adjusted()))


PARAMS = Metric(
    key="params",
    field="params",
    stored="params",
    ceiling="max_params",
    label="params",
    unit="",
    scale=1,
    decimals=0,
    exact=True,
    tolerance=Decimal(0),
)
GFLOPS = Metric(
    key="gflops",
    field="flops",
    stored="gflops",
    ceiling="max_gflops",
    label="GFLOPs",
    unit="GFLOPs",
    scale=10**9,
    decimals=2,
    exact=True,
    tolerance=Decimal(0),
)
LATENCY = Metric(
    key="latency",
    field="latency_ms",
    stored="total_ms",
    ceiling="max_latency_ms",
    label="latency",
    unit="ms",
    scale=1,
    decimals=2,
    exact=False,
    tolerance=Decimal("0.25"),
)
MEMORY = Metric(
    key="memory",
    field="memory_bytes",
    stored="memory_mb",
    ceiling="max_memory_mb",
    label="memory",
    unit="MB",
    scale=10**6,
    decimals=2,
    exact=False,
    tolerance=Decimal("0.05"),
)

METRICS = {metric.key: metric for metric in (PARAMS, GFLOPS, LATENCY, MEMORY)}
CEILINGS = {metric.ceiling: metric for metric in METRICS.values()}


def change_text(measured: Number, baseline: Number) -> str:
    """Format the relative change from `baseline` to `measured`, as `+3.3 %`.

    A change that rounds to nothing keeps a `<` so that it is never mistaken for none.
    """
    if measured == baseline:
        return "0 %"
    if not baseline:
        return "new"
    percent = 100 * float((Fraction(measured) - Fraction(baseline)) / Fraction(baseline))
    sign = "+" if percent > 0 else "-"
    return f"{sign}{abs(percent):.1f} %" if abs(percent) >= SMALLEST_SHOWN else f"{sign}<0.1 %"
