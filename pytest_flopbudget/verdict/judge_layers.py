"""Judging layers: each by its own costs, or some by their totals."""

from __future__ import annotations

from fnmatch import fnmatchcase
from fractions import Fraction
from typing import TYPE_CHECKING

from pytest_flopbudget.errors import MeasureError
from pytest_flopbudget.metrics import METRICS
from pytest_flopbudget.profile.layer_paths import is_below
from pytest_flopbudget.verdict.limits import unaccepted_operators
from pytest_flopbudget.verdict.verdict import MetricVerdict, verdict_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_flopbudget.baseline.record import Baseline
    from pytest_flopbudget.metrics import Metric
    from pytest_flopbudget.profile.model_profile import ModelProfile
    from pytest_flopbudget.settings.budget import BudgetSettings


def judge_each(
    profile: ModelProfile, baseline: Baseline, budget_settings: BudgetSettings
) -> Iterator[MetricVerdict]:
    """Judge the own costs of each layer that the baseline knows; a new one shows in the total."""
    for metric in _exact(profile, baseline, budget_settings):
        for layer in profile.layers:
            if layer.path not in baseline.own:
                continue
            measured = Fraction(getattr(layer, f"own_{metric.field}"))
            stored = Fraction(baseline.own[layer.path].costs.get(metric.field, 0))
            yield _layer_verdict(metric, layer.path, measured, stored, budget_settings, own=True)


def named_layers(profile: ModelProfile, globs: Iterable[str]) -> list[str]:
    """List the paths that the globs match, each once; every glob must match one.

    Raises:
        MeasureError: a glob matches none.
    """
    paths = [layer.path for layer in profile.layers]
    named: dict[str, None] = {}
    for glob in globs:
        matching = [path for path in paths if fnmatchcase(path, glob)]
        if not matching:
            known = ", ".join(f"`{path}`" for path in paths[1:4])
            raise MeasureError(
                f"`layers`: no layer of `{profile.model}` matches `{glob}`",
                f"layer paths are the names of `named_modules()`, such as {known}"
                if known
                else f"`{profile.model}` has no layers below it: leave `layers` out",
            )
        named.update(dict.fromkeys(matching))
    return list(named)


def judge_named(
    profile: ModelProfile, baseline: Baseline, budget_settings: BudgetSettings, paths: list[str]
) -> Iterator[MetricVerdict]:
    """Judge the totals of some layers that the baseline knows."""
    for metric in _exact(profile, baseline, budget_settings):
        for path in paths:
            if any(is_below(stored, path) for stored in baseline.own):
                measured = Fraction(getattr(profile[path], metric.field))
                stored_total = Fraction(baseline.total_of(path, metric.field))
                yield _layer_verdict(
                    metric, path, measured, stored_total, budget_settings, own=False
                )


def _exact(
    profile: ModelProfile, baseline: Baseline, budget_settings: BudgetSettings
) -> Iterator[Metric]:
    """Yield the metrics that can be judged layer by layer."""
    for key in budget_settings.metrics:
        metric = METRICS[key]
        counted = getattr(profile, metric.field) is not None and metric.field in baseline.total
        if (
            metric.exact
            and counted
            and not (key == "gflops" and unaccepted_operators(profile, budget_settings))
        ):
            yield metric


def _layer_verdict(
    metric: Metric,
    path: str,
    measured: Fraction,
    stored: Fraction,
    budget_settings: BudgetSettings,
    *,
    own: bool,
) -> MetricVerdict:
    tolerance = budget_settings.tolerance[metric.key]
    budget = stored * (1 + tolerance)
    return MetricVerdict(
        metric=metric.key,
        path=path,
        own=own,
        measured=measured,
        baseline=stored,
        budget=budget,
        verdict=verdict_of(metric, measured, stored, budget, tolerance),
    )
