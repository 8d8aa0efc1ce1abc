"""Judging: a profile, a baseline and terms to one word per metric, and one for the budget."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from pytest_flopbudget.metrics import LATENCY, METRICS
from pytest_flopbudget.verdict.judge_layers import judge_each, judge_named, named_layers
from pytest_flopbudget.verdict.limits import (
    check_same,
    comparable,
    unaccepted_operators,
    update_options_for,
    upper_limits,
)
from pytest_flopbudget.verdict.verdict import UPDATE, Judgement, MetricVerdict, Verdict, verdict_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_flopbudget.baseline.record import Baseline
    from pytest_flopbudget.metrics import Metric
    from pytest_flopbudget.profile.model_profile import ModelProfile
    from pytest_flopbudget.settings.budget import BudgetSettings


def judge(
    profile: ModelProfile, baseline: Baseline | None, budget_settings: BudgetSettings
) -> Judgement:
    """Judge every metric of the model, and its layers as the terms ask.

    Raises:
        BaselineError: the baseline was made with another engine, mode or input.
        MeasureError: a glob of `layers` matches no layer.
    """
    if baseline is not None:
        check_same(profile, baseline)
    metrics = [
        _judge_total(METRICS[key], profile, baseline, budget_settings)
        for key in budget_settings.metrics
    ]
    named = named_layers(profile, budget_settings.layer_globs)
    layers: Iterable[MetricVerdict] = ()
    if baseline is not None and not profile.data_dependent:
        if budget_settings.layer_globs:
            layers = judge_named(profile, baseline, budget_settings, named)
        elif budget_settings.each_layer:
            layers = judge_each(profile, baseline, budget_settings)
    return Judgement(metrics=tuple(metrics), layers=tuple(layers), fail_on=budget_settings.fail_on)


def judge_ceilings(profile: ModelProfile, budget_settings: BudgetSettings) -> Judgement:
    """Judge what `--update-budgets` judges: uncounted operators, and ceilings where there are.

    Raises:
        MeasureError: a glob of `layers` matches no layer.
    """
    named_layers(profile, budget_settings.layer_globs)
    metrics = [
        _judge_ceiling(METRICS[key], profile, budget_settings) for key in budget_settings.metrics
    ]
    return Judgement(metrics=tuple(metrics))


def _judge_total(
    metric: Metric,
    profile: ModelProfile,
    baseline: Baseline | None,
    budget_settings: BudgetSettings,
) -> MetricVerdict:
    if (unknown := _unknown(metric, profile, budget_settings)) is not None:
        return unknown
    stored, reason = comparable(metric, profile, baseline)
    remedy = update_options_for(metric, reason)
    bounds = upper_limits(metric, stored, budget_settings)
    if not bounds:
        missing = metric.exact or baseline is None
        found = Verdict.UNBUDGETED if missing else Verdict.NOT_COMPARED
        return _verdict(metric, profile, found, reason=reason, remedy=remedy)
    verdict = _compared(metric, profile, stored, min(bounds), budget_settings)
    if baseline is None and verdict.verdict is not Verdict.EXCEEDED:
        # A ceiling alone is no agreement on what the model costs.
        return replace(verdict, verdict=Verdict.UNBUDGETED, reason=reason)
    return verdict


def _judge_ceiling(
    metric: Metric, profile: ModelProfile, budget_settings: BudgetSettings
) -> MetricVerdict:
    if (unknown := _unknown(metric, profile, budget_settings)) is not None:
        return unknown
    if metric is LATENCY and profile.unreliable_reason:
        return _verdict(metric, profile, Verdict.INCONCLUSIVE, reason=profile.unreliable_reason)
    ceiling = budget_settings.ceilings.get(metric.key)
    if ceiling is None:
        found = Verdict.WITHIN if metric.exact else Verdict.NOT_COMPARED
        return _verdict(metric, profile, found)
    return _compared(metric, profile, None, ceiling, budget_settings)


def _unknown(
    metric: Metric, profile: ModelProfile, budget_settings: BudgetSettings
) -> MetricVerdict | None:
    """Judge a metric of which there is no value."""
    if metric.key == "gflops" and unaccepted_operators(profile, budget_settings):
        return _verdict(metric, profile, Verdict.UNCOUNTED)
    if getattr(profile, metric.field) is None:
        reason = profile.not_measured.get(metric.key, "it was not measured")
        return _verdict(metric, profile, Verdict.NOT_COMPARED, reason=reason, remedy="")
    return None


def _compared(
    metric: Metric,
    profile: ModelProfile,
    stored: Fraction | None,
    budget: Fraction,
    budget_settings: BudgetSettings,
) -> MetricVerdict:
    """Compare a value; noise only adds to a latency, so one within its budget is within it."""
    measured = Fraction(getattr(profile, metric.field))
    found, reason = (
        verdict_of(metric, measured, stored, budget, budget_settings.tolerance[metric.key]),
        "",
    )
    matters = found is not Verdict.WITHIN or profile.rounds == 1
    if metric is LATENCY and profile.unreliable_reason and matters:
        found, reason = Verdict.INCONCLUSIVE, profile.unreliable_reason
    return _verdict(metric, profile, found, baseline=stored, budget=budget, reason=reason)


def _verdict(
    metric: Metric,
    profile: ModelProfile,
    verdict: Verdict,
    *,
    baseline: Fraction | None = None,
    budget: Fraction | None = None,
    reason: str = "",
    remedy: str = UPDATE,
) -> MetricVerdict:
    measured = getattr(profile, metric.field)
    return MetricVerdict(
        metric=metric.key,
        path=None,
        measured=None if measured is None else Fraction(measured),
        baseline=baseline,
        budget=budget,
        verdict=verdict,
        reason=reason,
        remedy=remedy,
    )
