"""Judging: a profile, a baseline and settings to a verdict on each metric and each layer."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from pytest_flopbudget.metrics import METRICS
from pytest_flopbudget.verdict.judge_layers import judge_each, judge_named, named_layers
from pytest_flopbudget.verdict.limits import (
    NotComparable,
    check_same,
    comparable_value,
    for_another_torch,
    state_change,
    torch_change,
    unaccepted_operators,
    upper_limit,
)
from pytest_flopbudget.verdict.verdict import (
    UPGRADE,
    Judgement,
    MetricVerdict,
    Verdict,
    verdict_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_flopbudget.baseline.record import Baseline
    from pytest_flopbudget.metrics import Metric
    from pytest_flopbudget.profile.model_profile import ModelProfile
    from pytest_flopbudget.settings.budget import BudgetSettings

ABOVE = "above the budget of before"


def judge(
    profile: ModelProfile, baseline: Baseline | None, budget_settings: BudgetSettings
) -> Judgement:
    """Judge every metric of the model, and its layers as the settings ask.

    Raises:
        BaselineError: the baseline was made with another engine, mode or input.
        MeasureError: a glob of `layers` matches no layer.
    """
    if baseline is not None:
        check_same(profile, baseline)
    if other_torch := torch_change(profile, baseline):
        budget_settings = for_another_torch(budget_settings)
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
    return Judgement(
        metrics=tuple(metrics),
        layers=tuple(layers),
        fail_on=budget_settings.fail_on,
        state_change="" if baseline is None else state_change(baseline.state, profile.state),
        torch_change=other_torch,
    )


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
    measured = _measured(metric, profile, budget_settings)
    if isinstance(measured, MetricVerdict):
        return measured
    stored = comparable_value(metric, profile, baseline)
    if not isinstance(stored, NotComparable):
        budget = upper_limit(metric, stored, budget_settings)
        return _compare(metric, profile, measured, stored, budget, budget_settings)
    ceiling = budget_settings.ceilings.get(metric.key)
    grew = _grew_by_upgrade(metric, profile, measured, stored, budget_settings)
    if ceiling is None or (grew and measured <= ceiling and UPGRADE in budget_settings.fail_on):
        is_unbudgeted = metric.exact or baseline is None
        verdict = Verdict.UNBUDGETED if is_unbudgeted else Verdict.NOT_COMPARED
        reason = stored.reason + (f", and {ABOVE}" if grew else "")
        return _verdict(
            metric, profile, verdict, reason=reason, remedy=stored.remedy, grew_by_upgrade=grew
        )
    judged = _compare(metric, profile, measured, None, ceiling, budget_settings)
    if baseline is None and judged.verdict is not Verdict.EXCEEDED:
        # A ceiling without a baseline is no agreement on what the model costs.
        return replace(judged, verdict=Verdict.UNBUDGETED, reason=stored.reason)
    return judged


def _grew_by_upgrade(
    metric: Metric,
    profile: ModelProfile,
    measured: Fraction,
    stored: NotComparable,
    budget_settings: BudgetSettings,
) -> bool:
    """Return whether a value is above its budget and another version alone forbids to say so."""
    if stored.upgraded is None or metric.unreliable_reason(profile):
        return False
    return measured > upper_limit(metric, stored.upgraded, budget_settings)


def _judge_ceiling(
    metric: Metric, profile: ModelProfile, budget_settings: BudgetSettings
) -> MetricVerdict:
    measured = _measured(metric, profile, budget_settings)
    if isinstance(measured, MetricVerdict):
        return measured
    ceiling = budget_settings.ceilings.get(metric.key)
    if ceiling is None:
        verdict = Verdict.WITHIN if metric.exact else Verdict.NOT_COMPARED
        judged = _verdict(metric, profile, verdict)
    else:
        judged = _compare(metric, profile, measured, None, ceiling, budget_settings)
    return _unless_unreliable(judged, metric, profile, is_stored=True)


def _measured(
    metric: Metric, profile: ModelProfile, budget_settings: BudgetSettings
) -> Fraction | MetricVerdict:
    """Return the measured value of a metric, or the verdict that follows from its absence."""
    if unaccepted_operators(profile, budget_settings, metric):
        return _verdict(metric, profile, Verdict.UNCOUNTED)
    if (value := metric.of(profile)) is None:
        reason = profile.not_measured.get(metric.key, "it was not measured")
        return _verdict(metric, profile, Verdict.NOT_COMPARED, reason=reason, remedy="")
    return Fraction(value)


def _compare(
    metric: Metric,
    profile: ModelProfile,
    measured: Fraction,
    stored: Fraction | None,
    budget: Fraction,
    budget_settings: BudgetSettings,
) -> MetricVerdict:
    tolerance = budget_settings.tolerance[metric.key]
    verdict = verdict_of(metric, measured, stored, budget, tolerance)
    judged = _verdict(metric, profile, verdict, baseline=stored, budget=budget)
    return _unless_unreliable(judged, metric, profile, is_stored=False)


def _unless_unreliable(
    judged: MetricVerdict, metric: Metric, profile: ModelProfile, *, is_stored: bool
) -> MetricVerdict:
    """Return a verdict, or an inconclusive one where the measurement may be mere noise.

    Noise only adds to a duration, so one within its budget passes all the same, if more than one
    call was timed; but it is not good enough to be stored.
    """
    reason = metric.unreliable_reason(profile)
    passes = judged.verdict is Verdict.WITHIN and profile.rounds != 1 and not is_stored
    if not reason or passes:
        return judged
    return replace(judged, verdict=Verdict.INCONCLUSIVE, reason=reason)


def _verdict(
    metric: Metric, profile: ModelProfile, verdict: Verdict, **details: Any
) -> MetricVerdict:
    value = metric.of(profile)
    measured = None if value is None else Fraction(value)
    return MetricVerdict(
        metric=metric.key, path=None, verdict=verdict, measured=measured, **details
    )
