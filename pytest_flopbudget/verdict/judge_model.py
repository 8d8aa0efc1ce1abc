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
    hidden,
    limits,
    remedy_of,
)
from pytest_flopbudget.verdict.verdict import UPDATE, Judgement, MetricVerdict, Verdict, word

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_flopbudget.baseline.record import Baseline
    from pytest_flopbudget.metrics import Metric
    from pytest_flopbudget.profile.model_profile import ModelProfile
    from pytest_flopbudget.settings.budget import Terms


def judge(profile: ModelProfile, baseline: Baseline | None, terms: Terms) -> Judgement:
    """Judge every metric of the model, and its layers as the terms ask.

    Raises:
        BaselineError: the baseline was made with another engine, mode or input.
        MeasureError: a glob of `layers` matches no layer.
    """
    if baseline is not None:
        check_same(profile, baseline)
    metrics = [_judge_total(METRICS[key], profile, baseline, terms) for key in terms.metrics]
    named = named_layers(profile, terms.layer_globs)
    layers: Iterable[MetricVerdict] = ()
    if baseline is not None and not profile.data_dependent:
        if terms.layer_globs:
            layers = judge_named(profile, baseline, terms, named)
        elif terms.each_layer:
            layers = judge_each(profile, baseline, terms)
    return Judgement(metrics=tuple(metrics), layers=tuple(layers), fail_on=terms.fail_on)


def judge_ceilings(profile: ModelProfile, terms: Terms) -> Judgement:
    """Judge what `--update-budgets` judges: uncounted operators, and ceilings where there are.

    Raises:
        MeasureError: a glob of `layers` matches no layer.
    """
    named_layers(profile, terms.layer_globs)
    metrics = [_judge_ceiling(METRICS[key], profile, terms) for key in terms.metrics]
    return Judgement(metrics=tuple(metrics))


def _judge_total(
    metric: Metric, profile: ModelProfile, baseline: Baseline | None, terms: Terms
) -> MetricVerdict:
    if (unknown := _unknown(metric, profile, terms)) is not None:
        return unknown
    stored, reason = comparable(metric, profile, baseline)
    remedy = remedy_of(metric, reason)
    bounds = limits(metric, stored, terms)
    if not bounds:
        missing = metric.exact or baseline is None
        found = Verdict.UNBUDGETED if missing else Verdict.NOT_COMPARED
        return _verdict(metric, profile, found, reason=reason, remedy=remedy)
    verdict = _compared(metric, profile, stored, min(bounds), terms)
    if baseline is None and verdict.verdict is not Verdict.EXCEEDED:
        # A ceiling alone is no agreement on what the model costs.
        return replace(verdict, verdict=Verdict.UNBUDGETED, reason=reason)
    return verdict


def _judge_ceiling(metric: Metric, profile: ModelProfile, terms: Terms) -> MetricVerdict:
    if (unknown := _unknown(metric, profile, terms)) is not None:
        return unknown
    if metric is LATENCY and profile.doubt:
        return _verdict(metric, profile, Verdict.INCONCLUSIVE, reason=profile.doubt)
    ceiling = terms.ceilings.get(metric.key)
    if ceiling is None:
        found = Verdict.WITHIN if metric.exact else Verdict.NOT_COMPARED
        return _verdict(metric, profile, found)
    return _compared(metric, profile, None, ceiling, terms)


def _unknown(metric: Metric, profile: ModelProfile, terms: Terms) -> MetricVerdict | None:
    """Judge a metric of which there is no value."""
    if metric.key == "gflops" and hidden(profile, terms):
        return _verdict(metric, profile, Verdict.UNCOUNTED)
    if getattr(profile, metric.field) is None:
        reason = profile.not_measured.get(metric.key, "it was not measured")
        return _verdict(metric, profile, Verdict.NOT_COMPARED, reason=reason, remedy="")
    return None


def _compared(
    metric: Metric, profile: ModelProfile, stored: Fraction | None, budget: Fraction, terms: Terms
) -> MetricVerdict:
    """Compare a value; noise only adds to a latency, so one within its budget is within it."""
    measured = Fraction(getattr(profile, metric.field))
    found, reason = word(metric, measured, stored, budget, terms.tolerance[metric.key]), ""
    matters = found is not Verdict.WITHIN or profile.rounds == 1
    if metric is LATENCY and profile.doubt and matters:
        found, reason = Verdict.INCONCLUSIVE, profile.doubt
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
