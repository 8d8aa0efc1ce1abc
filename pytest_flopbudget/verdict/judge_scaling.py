"""Judging a model over sizes: each metric at each size, and the degree by which it grows."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from pytest_flopbudget.baseline.update import differences
from pytest_flopbudget.errors import BaselineError
from pytest_flopbudget.metrics import METRICS
from pytest_flopbudget.verdict.judge_model import judge_ceilings
from pytest_flopbudget.verdict.limits import (
    for_another_torch,
    state_change,
    torch_change,
    unaccepted_operators,
)
from pytest_flopbudget.verdict.result import ScalingResult
from pytest_flopbudget.verdict.verdict import Judgement, MetricVerdict, Verdict, verdict_of

if TYPE_CHECKING:
    from pytest_flopbudget.baseline.record import Baseline
    from pytest_flopbudget.metrics import Metric
    from pytest_flopbudget.profile.scaling_profile import Curve, ScalingProfile
    from pytest_flopbudget.settings.budget import BudgetSettings


def judge_scaling(
    measured: ScalingProfile,
    baseline: Baseline | None,
    budget_settings: BudgetSettings,
    max_degree: int | None,
) -> Judgement:
    """Judge each metric at each size, its degree, and ceilings at the largest size.

    Raises:
        BaselineError: the baseline was made with other sizes, inputs, engine or mode.
    """
    profile = measured.profiles[-1]
    if baseline is not None:
        for what, before, now in differences(baseline, profile, measured.sizes):
            raise BaselineError(
                f"the baseline was made with {what} `{before}`, this run has `{now}`: "
                "they cannot be compared"
            )
    if other_torch := torch_change(profile, baseline):
        budget_settings = for_another_torch(budget_settings)
    stored = stored_curves(baseline)
    absolute = judge_absolutely(measured, budget_settings, max_degree).metrics
    metrics = [
        verdict
        if verdict.verdict in (Verdict.UNCOUNTED, Verdict.EXCEEDED, Verdict.NOT_COMPARED)
        else _at_each_size(measured, stored.get(verdict.metric), budget_settings, verdict)
        for verdict in absolute
    ]
    return Judgement(
        metrics=tuple(metrics),
        fail_on=budget_settings.fail_on,
        state_change="" if baseline is None else state_change(baseline.state, profile.state),
        torch_change=other_torch,
    )


def judge_absolutely(
    measured: ScalingProfile, budget_settings: BudgetSettings, max_degree: int | None
) -> Judgement:
    """Judge what an update judges: uncounted operators, degrees, and ceilings."""
    at_the_end = {
        v.metric: v for v in judge_ceilings(measured.profiles[-1], budget_settings).metrics
    }
    metrics = []
    for key in measured.metrics:
        metric, verdict = METRICS[key], at_the_end[key]
        if any(unaccepted_operators(one, budget_settings, metric) for one in measured.profiles):
            verdict = replace(verdict, verdict=Verdict.UNCOUNTED)
        elif key in measured.curves and _grows_too_fast(measured, metric, max_degree):
            verdict = replace(verdict, verdict=Verdict.EXCEEDED, budget=None, remedy="")
        metrics.append(verdict)
    return Judgement(metrics=tuple(metrics))


def stored_curves(baseline: Baseline | None) -> dict[str, Curve]:
    """Return what a baseline has of each metric over sizes."""
    return {} if baseline is None or baseline.scaling is None else baseline.scaling.curves


def scaling_result(
    measured: ScalingProfile, baseline: Baseline | None, max_degree: int | None
) -> ScalingResult:
    """Return what reports show of a model over sizes, with the layers that have a new term."""
    stored = stored_curves(baseline)
    terms = [
        term
        for key, curve in measured.curves.items()
        for power in _new_powers(curve, stored.get(key), max_degree)
        for term in measured.layers_with(METRICS[key], power)
    ]
    return ScalingResult(
        of=measured.of,
        sizes=measured.sizes,
        max_degree=max_degree,
        curves=measured.curves,
        stored={key: stored[key] for key in measured.curves if key in stored},
        new_terms=tuple(terms),
    )


def _new_powers(curve: Curve, stored: Curve | None, max_degree: int | None) -> list[int]:
    """Return the powers that the baseline has not, or that are above the largest degree."""
    if curve.polynomial is None:
        return []
    before = None if stored is None else stored.polynomial
    powers = range(curve.polynomial.degree, 0, -1)
    return [
        power
        for power in powers
        if curve.polynomial.coefficient(power)
        and (
            (max_degree is not None and power > max_degree)
            or (before is not None and not before.coefficient(power))
        )
    ]


def _grows_too_fast(measured: ScalingProfile, metric: Metric, max_degree: int | None) -> bool:
    """Return whether the degree is too high; without a polynomial, the ends tell it."""
    if max_degree is None:
        return False
    curve, first, last = measured.curves[metric.key], measured.sizes[0], measured.sizes[-1]
    if curve.polynomial is not None:
        return curve.polynomial.degree > max_degree
    allowed: Fraction = curve.values[0] * Fraction(last, first) ** max_degree
    return curve.values[-1] > allowed


def _at_each_size(
    measured: ScalingProfile,
    stored: Curve | None,
    budget_settings: BudgetSettings,
    at_the_end: MetricVerdict,
) -> MetricVerdict:
    """Return the verdict at the size at which a metric is most above what it may be."""
    metric = METRICS[at_the_end.metric]
    if stored is None:
        return replace(at_the_end, verdict=Verdict.UNBUDGETED, reason="not in the baseline")
    tolerance = budget_settings.tolerance[metric.key]
    judged = []
    for value, before in zip(measured.curves[metric.key].values, stored.values, strict=True):
        budget = before * (1 + tolerance)
        verdict = verdict_of(metric, value, before, budget, tolerance)
        judged.append(
            replace(at_the_end, verdict=verdict, measured=value, baseline=before, budget=budget)
        )
    order = list(Verdict)
    gravest = min((one.verdict for one in judged), key=order.index)
    return max((one for one in reversed(judged) if one.verdict is gravest), key=_growth)


def _growth(verdict: MetricVerdict) -> tuple[bool, Fraction]:
    """Order verdicts by relative growth, after them what grew from nothing."""
    before, now = verdict.baseline or Fraction(0), verdict.measured or Fraction(0)
    return (bool(now) and not before, now / before if before else Fraction(0))
