"""What a measured value is compared with, or the reason why it cannot be compared."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from pytest_flopbudget.baseline.update import differences
from pytest_flopbudget.errors import BaselineError
from pytest_flopbudget.verdict import UPDATE

if TYPE_CHECKING:
    from pytest_flopbudget.baseline.record import Baseline
    from pytest_flopbudget.metrics import Metric
    from pytest_flopbudget.profile import ModelProfile, Uncounted
    from pytest_flopbudget.terms import Terms

NO_ENTRY = "no entry for this environment"
ADD_ENTRY = f"{UPDATE} --flop-budget-metrics latency"


def check_same(profile: ModelProfile, baseline: Baseline) -> None:
    """Check that a baseline is one of what was profiled.

    Raises:
        BaselineError: it was made with another engine, mode or input.
    """
    for what, before, now in differences(baseline, profile):
        raise BaselineError(
            f"the baseline was made with {what} `{before}`, this run has `{now}`: "
            "they cannot be compared"
        )


def hidden(profile: ModelProfile, terms: Terms) -> list[Uncounted]:
    """List the uncounted operators that the team has not agreed to ignore."""
    return [u for u in profile.uncounted if u.operator not in terms.ignore_ops]


def stored_value(
    metric: Metric, profile: ModelProfile, baseline: Baseline | None
) -> Fraction | None:
    """Find what the baseline says of a metric, in base units, whether or not it is comparable."""
    if baseline is None:
        return None
    if metric.exact:
        value = baseline.total.get(metric.field)
        return None if value is None else Fraction(value)
    entry = baseline.latency.get(profile.environment.key) if profile.environment else None
    return None if entry is None else Fraction(str(entry.times["total_ms"]))


def comparable(
    metric: Metric, profile: ModelProfile, baseline: Baseline | None
) -> tuple[Fraction | None, str]:
    """Find the value to compare with, or the reason why there is none."""
    value = stored_value(metric, profile, baseline)
    if baseline is None:
        return None, "no baseline"
    if metric.exact:
        return value, "not in the baseline"
    environment = profile.environment
    if value is None or environment is None:
        return None, NO_ENTRY
    entry = baseline.latency[environment.key]
    if entry.torch != environment.torch:
        return None, f"measured with torch {entry.torch}, this is {environment.torch}"
    if entry.flops is not None and entry.flops != baseline.total.get("flops", entry.flops):
        return None, "measured before the last accepted change"
    return value, ""
