"""Judging layers: each layer by its own costs, or some layers by their totals."""

from __future__ import annotations

from fnmatch import fnmatchcase
from fractions import Fraction
from typing import TYPE_CHECKING

from pytest_flopbudget.errors import MeasureError
from pytest_flopbudget.metrics import METRICS
from pytest_flopbudget.profile.layer_paths import is_below
from pytest_flopbudget.verdict.limits import unaccepted_operators
from pytest_flopbudget.verdict.moves import moved_into
from pytest_flopbudget.verdict.verdict import MetricVerdict, verdict_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_flopbudget.baseline.record import Baseline
    from pytest_flopbudget.metrics import Metric, Number
    from pytest_flopbudget.profile.model_profile import ModelProfile
    from pytest_flopbudget.settings.budget import BudgetSettings


def judge_each(
    profile: ModelProfile, baseline: Baseline, budget_settings: BudgetSettings
) -> Iterator[MetricVerdict]:
    """Judge the own costs of each layer that the baseline knows; a new one shows in the total.

    What a layer took over from those around it or below it is no growth.
    """
    for metric in _comparable_metrics(profile, baseline, budget_settings):
        now = {layer.path: metric.own(layer) for layer in profile.layers}
        known = dict.fromkeys([*now, *baseline.own])
        stored = {path: baseline.own_of(path, metric) for path in known}
        moved = moved_into({p: Fraction(now.get(p) or 0) - stored[p] for p in known})
        for path, measured in now.items():
            if measured is not None and path in baseline.own:
                yield _judge_layer(
                    metric, path, measured, stored[path], budget_settings, moved.get(path)
                )


def named_layers(profile: ModelProfile, globs: Iterable[str]) -> list[str]:
    """Return the layer paths that match any of the globs, each once.

    Raises:
        MeasureError: a glob matches no layer.
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
    for metric in _comparable_metrics(profile, baseline, budget_settings):
        for path in paths:
            measured = metric.of(profile[path])
            is_stored = any(is_below(known, path) for known in baseline.own)
            if measured is not None and is_stored:
                stored = baseline.total_of(path, metric)
                yield _judge_layer(metric, path, measured, stored, budget_settings)


def _comparable_metrics(
    profile: ModelProfile, baseline: Baseline, budget_settings: BudgetSettings
) -> Iterator[Metric]:
    """Yield the metrics that are judged by layer, and that both sides have."""
    for metric in map(METRICS.__getitem__, budget_settings.metrics):
        is_stored = metric.by_layer and metric.field in baseline.total
        is_hidden = unaccepted_operators(profile, budget_settings, metric)
        if is_stored and metric.of(profile) is not None and not is_hidden:
            yield metric


def _judge_layer(
    metric: Metric,
    path: str,
    measured: Number,
    stored: int,
    budget_settings: BudgetSettings,
    moved: Fraction | None = None,
) -> MetricVerdict:
    before, now = Fraction(stored), Fraction(measured)
    tolerance = budget_settings.tolerance[metric.key]
    budget = before * (1 + tolerance)
    return MetricVerdict(
        metric=metric.key,
        path=path,
        measured=now,
        baseline=before,
        budget=budget,
        verdict=verdict_of(metric, now - (moved or 0), before, budget, tolerance),
        moved=moved,
    )
