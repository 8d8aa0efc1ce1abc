"""Judging: a profile, a baseline and terms to one word per metric, and one for the budget."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase
from fractions import Fraction
from typing import TYPE_CHECKING

from pytest_flopbudget.baseline.update import differences
from pytest_flopbudget.errors import BaselineError, MeasureError
from pytest_flopbudget.metrics import METRICS, Metric
from pytest_flopbudget.profile import is_below

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_flopbudget.baseline.record import Baseline
    from pytest_flopbudget.profile import ModelProfile, Uncounted
    from pytest_flopbudget.terms import Terms


class Verdict(Enum):
    """One word on one metric or budget, the gravest first."""

    UNCOUNTED = "uncounted"
    EXCEEDED = "exceeded"
    UNBUDGETED = "unbudgeted"
    INCONCLUSIVE = "inconclusive"
    IMPROVED = "improved"
    WITHIN = "within"
    NOT_COMPARED = "not_compared"

    @property
    def text(self) -> str:
        """The verdict as it is shown."""
        return self.value.replace("_", " ")


UPDATE = "--update-budgets"
NO_ENTRY = "no entry for this environment"
ADD_ENTRY = f"{UPDATE} --flop-budget-metrics latency"
FAILING = frozenset({Verdict.UNCOUNTED, Verdict.EXCEEDED, Verdict.UNBUDGETED})


@dataclass(frozen=True, kw_only=True)
class MetricVerdict:
    """The verdict on one metric of a model, or of one layer; values are in base units."""

    metric: str
    path: str | None  # of the layer, `None` for the whole model
    own: bool = False  # the layer's own cost is judged, not its total
    measured: Fraction | None
    baseline: Fraction | None
    budget: Fraction | None
    verdict: Verdict
    reason: str = ""
    remedy: str = UPDATE  # the options of pytest that accept what was measured, if any do


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """All verdicts on one budget."""

    metrics: tuple[MetricVerdict, ...]
    layers: tuple[MetricVerdict, ...] = ()
    fail_on: tuple[str, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """The gravest verdict that fails, or else the gravest: `not compared` if nothing was."""
        if self.failing:
            return self.failing[0].verdict
        present = {v.verdict for v in (*self.metrics, *self.layers)}
        return next(verdict for verdict in Verdict if verdict in present)

    @property
    def failing(self) -> tuple[MetricVerdict, ...]:
        """The verdicts that fail the test: the gravest first, the whole model before layers."""
        found = [v for v in (*self.metrics, *self.layers) if self.fails_by(v)]
        order = list(Verdict)
        return tuple(sorted(found, key=lambda v: (order.index(v.verdict), v.path is not None)))

    def fails_by(self, verdict: MetricVerdict) -> bool:
        """Tell whether one verdict fails the test."""
        return verdict.verdict in FAILING or verdict.verdict.value in self.fail_on


def judge(profile: ModelProfile, baseline: Baseline | None, terms: Terms) -> Judgement:
    """Judge every metric of the model, and its layers as the terms ask.

    Raises:
        BaselineError: the baseline was made with another engine, mode or input.
        MeasureError: a glob of `layers` matches no layer.
    """
    if baseline is not None:
        _check_same(profile, baseline)
    metrics = [_judge_total(METRICS[key], profile, baseline, terms) for key in terms.metrics]
    named = _named_layers(profile, terms.layer_globs)
    layers: Iterable[MetricVerdict] = ()
    if baseline is not None and not profile.data_dependent:
        if terms.layer_globs:
            layers = _judge_named(profile, baseline, terms, named)
        elif terms.each_layer:
            layers = _judge_each(profile, baseline, terms)
    return Judgement(metrics=tuple(metrics), layers=tuple(layers), fail_on=terms.fail_on)


def judge_ceilings(profile: ModelProfile, terms: Terms) -> Judgement:
    """Judge what `--update-budgets` judges: uncounted operators, and ceilings where there are.

    Raises:
        MeasureError: a glob of `layers` matches no layer.
    """
    metrics = []
    _named_layers(profile, terms.layer_globs)
    for key in terms.metrics:
        verdict = _judge_total(METRICS[key], profile, None, terms)
        if verdict.verdict is Verdict.UNBUDGETED:
            judged = METRICS[key].exact or verdict.budget is not None
            word = Verdict.WITHIN if judged else Verdict.NOT_COMPARED
            verdict = _verdict(METRICS[key], profile, word, budget=verdict.budget)
        metrics.append(verdict)
    return Judgement(metrics=tuple(metrics))


def hidden(profile: ModelProfile, terms: Terms) -> list[Uncounted]:
    """List the uncounted operators that the team has not agreed to ignore."""
    return [u for u in profile.uncounted if u.operator not in terms.ignore_ops]


def _check_same(profile: ModelProfile, baseline: Baseline) -> None:
    for what, before, now in differences(baseline, profile):
        raise BaselineError(
            f"the baseline was made with {what} `{before}`, this run has `{now}`: "
            "they cannot be compared"
        )


def _judge_total(
    metric: Metric, profile: ModelProfile, baseline: Baseline | None, terms: Terms
) -> MetricVerdict:
    if metric.key == "gflops" and hidden(profile, terms):
        return _verdict(metric, profile, Verdict.UNCOUNTED)
    measured = getattr(profile, metric.field)
    if measured is None:
        reason = profile.not_measured.get(metric.key, "it was not measured")
        return _verdict(metric, profile, Verdict.NOT_COMPARED, reason=reason, remedy="")
    stored, reason = _comparable(metric, profile, baseline)
    remedy = ADD_ENTRY if reason == NO_ENTRY else UPDATE
    tolerance, ceiling = terms.tolerance[metric.key], terms.ceilings.get(metric.key)
    grown = None if stored is None else stored * (1 + tolerance)
    limits = [limit for limit in (grown, ceiling) if limit is not None]
    if not limits:
        missing = metric.exact or baseline is None
        word = Verdict.UNBUDGETED if missing else Verdict.NOT_COMPARED
        return _verdict(metric, profile, word, reason=reason, remedy=remedy)
    word = _word(metric, Fraction(measured), stored, min(limits), tolerance)
    if baseline is None and word is not Verdict.EXCEEDED:
        word = Verdict.UNBUDGETED  # a ceiling alone is no agreement on what the model costs
    return _verdict(metric, profile, word, baseline=stored, budget=min(limits))


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


def _comparable(
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


def _word(
    metric: Metric, measured: Fraction, stored: Fraction | None, budget: Fraction, slack: Fraction
) -> Verdict:
    if measured > budget:
        return Verdict.EXCEEDED
    if stored is not None and measured < stored * (1 if metric.exact else 1 - slack):
        return Verdict.IMPROVED
    return Verdict.WITHIN


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


def _exact(profile: ModelProfile, baseline: Baseline, terms: Terms) -> Iterator[Metric]:
    """Yield the metrics that can be judged layer by layer."""
    for key in terms.metrics:
        metric = METRICS[key]
        counted = getattr(profile, metric.field) is not None and metric.field in baseline.total
        if metric.exact and counted and not (key == "gflops" and hidden(profile, terms)):
            yield metric


def _judge_each(profile: ModelProfile, baseline: Baseline, terms: Terms) -> Iterator[MetricVerdict]:
    """Judge the own costs of each layer that the baseline knows; a new one shows in the total."""
    for metric in _exact(profile, baseline, terms):
        for layer in profile.layers:
            if layer.path not in baseline.own:
                continue
            measured = Fraction(getattr(layer, f"own_{metric.field}"))
            stored = Fraction(baseline.own[layer.path].costs.get(metric.field, 0))
            yield _layer_verdict(metric, layer.path, measured, stored, terms, own=True)


def _named_layers(profile: ModelProfile, globs: Iterable[str]) -> list[str]:
    """List the paths that the globs match, each once; every glob must match one."""
    paths = [layer.path for layer in profile.layers]
    named: dict[str, None] = {}
    for glob in globs:
        matching = [path for path in paths if fnmatchcase(path, glob)]
        if not matching:
            raise MeasureError(
                f"`layers`: no layer of `{profile.model}` matches `{glob}`",
                "layer paths are the names of `named_modules()`, such as "
                + ", ".join(f"`{path}`" for path in paths[1:4]),
            )
        named.update(dict.fromkeys(matching))
    return list(named)


def _judge_named(
    profile: ModelProfile, baseline: Baseline, terms: Terms, paths: list[str]
) -> Iterator[MetricVerdict]:
    """Judge the totals of some layers that the baseline knows."""
    for metric in _exact(profile, baseline, terms):
        for path in paths:
            if any(is_below(stored, path) for stored in baseline.own):
                measured = Fraction(getattr(profile[path], metric.field))
                stored_total = Fraction(baseline.total_of(path, metric.field))
                yield _layer_verdict(metric, path, measured, stored_total, terms, own=False)


def _layer_verdict(
    metric: Metric, path: str, measured: Fraction, stored: Fraction, terms: Terms, *, own: bool
) -> MetricVerdict:
    tolerance = terms.tolerance[metric.key]
    budget = stored * (1 + tolerance)
    return MetricVerdict(
        metric=metric.key,
        path=path,
        own=own,
        measured=measured,
        baseline=stored,
        budget=budget,
        verdict=_word(metric, measured, stored, budget, tolerance),
    )
