"""What a measured value is compared with, or the reason why it cannot be compared."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from pytest_flopbudget.baseline.update import differences
from pytest_flopbudget.errors import BaselineError
from pytest_flopbudget.metrics import LATENCY
from pytest_flopbudget.verdict.verdict import UPDATE

if TYPE_CHECKING:
    from pytest_flopbudget.baseline.record import Baseline
    from pytest_flopbudget.metrics import Metric
    from pytest_flopbudget.profile.environment import Environment
    from pytest_flopbudget.profile.model_profile import ModelProfile, Uncounted
    from pytest_flopbudget.settings.budget import BudgetSettings

NO_ENTRY = "no entry for this environment"


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


def unaccepted_operators(profile: ModelProfile, budget_settings: BudgetSettings) -> list[Uncounted]:
    """List the uncounted operators that the team has not agreed to ignore."""
    return [u for u in profile.uncounted if u.operator not in budget_settings.ignore_ops]


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
    return None if entry is None else entry.figure(metric)


def comparable(
    metric: Metric, profile: ModelProfile, baseline: Baseline | None
) -> tuple[Fraction | None, str]:
    """Find the value to compare with, or the reason why there is none."""
    if baseline is None:
        return None, "no baseline"
    if metric.exact:
        return stored_value(metric, profile, baseline), "not in the baseline"
    return comparable_in(profile.environment, metric, baseline)


def comparable_in(
    environment: Environment | None, metric: Metric, baseline: Baseline
) -> tuple[Fraction | None, str]:
    """Find the latency or memory that an environment is compared with, or why not."""
    entry = None if environment is None else baseline.latency.get(environment.key)
    if environment is None or entry is None:
        return None, NO_ENTRY
    if entry.figure(metric) is None:
        return None, f"no {metric.label} in the entry of this environment"
    if entry.torch != environment.torch:
        return None, f"measured with torch {entry.torch}, this is {environment.torch}"
    if entry.flops is not None and entry.flops != baseline.total.get("flops", entry.flops):
        return None, "measured before the last accepted change"
    return entry.figure(metric), ""


def update_options_for(metric: Metric, reason: str) -> str:
    """Return the options of pytest that make a metric comparable, or that accept its value."""
    return adding(metric) if reason == NO_ENTRY else UPDATE


def adding(metric: Metric) -> str:
    """Return the options that add an entry of this environment: the metric is named in them."""
    return f"{UPDATE} --flop-budget-metrics {metric.key}"


def upper_limits(
    metric: Metric, stored: Fraction | None, budget_settings: BudgetSettings
) -> list[Fraction]:
    """List what binds a metric, in base units: the grown baseline and the ceiling of the marker."""
    grown = None if stored is None else stored * (1 + budget_settings.tolerance[metric.key])
    return [
        limit for limit in (grown, budget_settings.ceilings.get(metric.key)) if limit is not None
    ]


def latency_budget(
    environment: Environment, baseline: Baseline | None, budget_settings: BudgetSettings
) -> Fraction | None:
    """Find the largest latency, in milliseconds, that passes in an environment, if there is one."""
    stored = None if baseline is None else comparable_in(environment, LATENCY, baseline)[0]
    return min(upper_limits(LATENCY, stored, budget_settings), default=None)
