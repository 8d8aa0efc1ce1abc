"""Limits: the largest value of a metric that passes, from the baseline and from ceilings."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from pytest_flopbudget.baseline.update import differences
from pytest_flopbudget.errors import BaselineError
from pytest_flopbudget.metrics import GFLOPS, LATENCY, METRICS
from pytest_flopbudget.verdict.verdict import UPDATE

if TYPE_CHECKING:
    from pytest_flopbudget.baseline.record import Baseline, EnvironmentEntry
    from pytest_flopbudget.metrics import Metric
    from pytest_flopbudget.profile.environment import Environment
    from pytest_flopbudget.profile.model_profile import ModelProfile, Uncounted
    from pytest_flopbudget.settings.budget import BudgetSettings

OTHER_TORCH = Fraction(5, 100)  # the least tolerance of what depends on the version of torch


@dataclass(frozen=True)
class NotComparable:
    """The reason why a baseline has no value to compare a metric with."""

    reason: str
    remedy: str = UPDATE  # the options of pytest that store a value
    upgraded: Fraction | None = None  # what is stored, where another version alone is the reason


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


def state_change(before: tuple[str, ...], now: tuple[str, ...]) -> str:
    """Return how the state of a model changed, nothing if it did not, or was not stored."""
    if not before or before == now:
        return ""
    return " -> ".join(", ".join(state) or "none" for state in (before, now))


def torch_change(profile: ModelProfile, baseline: Baseline | None) -> str:
    """Return with which versions of torch both were counted, nothing if with one of them."""
    if baseline is None or not baseline.torch or baseline.torch == profile.torch:
        return ""
    return f"measured by torch {baseline.torch}, now {profile.torch}"


def for_another_torch(budget_settings: BudgetSettings) -> BudgetSettings:
    """Return settings that tolerate what another version of torch may run otherwise."""
    tolerance = budget_settings.tolerance
    more = {key: max(tolerance[key], OTHER_TORCH) for key, m in METRICS.items() if m.of_torch}
    return budget_settings.with_tolerance(more)


def unaccepted_operators(
    profile: ModelProfile, budget_settings: BudgetSettings, metric: Metric
) -> list[Uncounted]:
    """Return the operators that hide a metric, and that the team has not agreed to ignore."""
    return [
        uncounted
        for uncounted in profile.uncounted
        if metric.counted in uncounted.unknown
        and uncounted.operator not in budget_settings.ignore_ops
    ]


def stored_value(
    metric: Metric, profile: ModelProfile, baseline: Baseline | None
) -> Fraction | None:
    """Return what the baseline has of a metric, in base units, even if it is not comparable."""
    if baseline is None:
        return None
    if metric.exact:
        value = baseline.total.get(metric.field)
        return None if value is None else Fraction(value)
    entry = baseline.environments.get(profile.environment.key) if profile.environment else None
    return None if entry is None else entry.value_of(metric)


def comparable_value(
    metric: Metric, profile: ModelProfile, baseline: Baseline | None
) -> Fraction | NotComparable:
    """Return the value that a metric is compared with, in base units, or why there is none."""
    if baseline is None:
        return NotComparable("no baseline")
    if metric.exact:
        value = stored_value(metric, profile, baseline)
        return NotComparable("not in the baseline") if value is None else value
    return comparable_in(profile.environment, metric, baseline)


def comparable_in(
    environment: Environment | None, metric: Metric, baseline: Baseline
) -> Fraction | NotComparable:
    """Return the stored value of a noisy metric that holds in an environment, or why none does."""
    entry = None if environment is None else baseline.environments.get(environment.key)
    if environment is None or entry is None:
        return NotComparable("no entry for this environment", adding(metric))
    value = entry.value_of(metric)
    if value is None:
        return NotComparable(f"no {metric.label} in the entry of this environment")
    is_current = entry.flops in (None, baseline.total.get(GFLOPS.field, entry.flops))
    if versions := _other_versions(entry, environment):
        then, now = (" and ".join(texts) for texts in zip(*versions, strict=True))
        upgraded = value if is_current else None
        return NotComparable(f"measured with {then}, this is {now}", upgraded=upgraded)
    return value if is_current else NotComparable("measured before the last accepted change")


def _other_versions(entry: EnvironmentEntry, environment: Environment) -> list[tuple[str, str]]:
    """Return the versions that are not those of an entry: (what it was measured with, now).

    An entry of an older format does not say with which Python: that one is taken to be the same.
    """
    pairs = [("torch", entry.torch, environment.torch)]
    pairs += [("Python", entry.python, environment.python)] if entry.python is not None else []
    return [(f"{name} {then}", now) for name, then, now in pairs if then != now]


def adding(metric: Metric) -> str:
    """Return the options that add an entry of this environment: the metric is named in them."""
    return f"{UPDATE} --flop-budget-metrics {metric.key}"


def upper_limit(metric: Metric, stored: Fraction, budget_settings: BudgetSettings) -> Fraction:
    """Return the largest value that passes: the baseline grown, or the ceiling if it is smaller."""
    grown = stored * (1 + budget_settings.tolerance[metric.key])
    return min(grown, budget_settings.ceilings.get(metric.key, grown))


def latency_budget(
    environment: Environment, baseline: Baseline | None, budget_settings: BudgetSettings
) -> Fraction | None:
    """Return the largest latency that passes in an environment, in ms, if anything limits it."""
    stored = None if baseline is None else comparable_in(environment, LATENCY, baseline)
    if isinstance(stored, Fraction):
        return upper_limit(LATENCY, stored, budget_settings)
    return budget_settings.ceilings.get(LATENCY.key)
