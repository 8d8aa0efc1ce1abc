"""Judging: a profile, a baseline and terms to one word per metric, and one for the budget."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from pytest_flopbudget.comparison import ADD_ENTRY, NO_ENTRY, check_same, comparable, hidden
from pytest_flopbudget.judge_layers import judge_each, judge_named, named_layers
from pytest_flopbudget.metrics import METRICS
from pytest_flopbudget.verdict import UPDATE, Judgement, MetricVerdict, Verdict, word

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytest_flopbudget.baseline.record import Baseline
    from pytest_flopbudget.metrics import Metric
    from pytest_flopbudget.profile import ModelProfile
    from pytest_flopbudget.terms import Terms


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
    metrics = []
    named_layers(profile, terms.layer_globs)
    for key in terms.metrics:
        verdict = _judge_total(METRICS[key], profile, None, terms)
        if verdict.verdict is Verdict.UNBUDGETED:
            judged = METRICS[key].exact or verdict.budget is not None
            found = Verdict.WITHIN if judged else Verdict.NOT_COMPARED
            verdict = _verdict(METRICS[key], profile, found, budget=verdict.budget)
        metrics.append(verdict)
    return Judgement(metrics=tuple(metrics))


def _judge_total(
    metric: Metric, profile: ModelProfile, baseline: Baseline | None, terms: Terms
) -> MetricVerdict:
    if metric.key == "gflops" and hidden(profile, terms):
        return _verdict(metric, profile, Verdict.UNCOUNTED)
    measured = getattr(profile, metric.field)
    if measured is None:
        reason = profile.not_measured.get(metric.key, "it was not measured")
        return _verdict(metric, profile, Verdict.NOT_COMPARED, reason=reason, remedy="")
    stored, reason = comparable(metric, profile, baseline)
    remedy = ADD_ENTRY if reason == NO_ENTRY else UPDATE
    tolerance, ceiling = terms.tolerance[metric.key], terms.ceilings.get(metric.key)
    grown = None if stored is None else stored * (1 + tolerance)
    limits = [limit for limit in (grown, ceiling) if limit is not None]
    if not limits:
        missing = metric.exact or baseline is None
        found = Verdict.UNBUDGETED if missing else Verdict.NOT_COMPARED
        return _verdict(metric, profile, found, reason=reason, remedy=remedy)
    found = word(metric, Fraction(measured), stored, min(limits), tolerance)
    if baseline is None and found is not Verdict.EXCEEDED:
        found = Verdict.UNBUDGETED  # a ceiling alone is no agreement on what the model costs
    return _verdict(metric, profile, found, baseline=stored, budget=min(limits))


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
