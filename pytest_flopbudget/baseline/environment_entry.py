"""Updates of the entry of one environment: an update adds, refreshes or keeps it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_flopbudget.baseline.record import EnvironmentEntry
from pytest_flopbudget.metrics import GFLOPS, LATENCY, METRICS, figures_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from fractions import Fraction

    from pytest_flopbudget.baseline.record import Baseline
    from pytest_flopbudget.metrics import Figure, Metric
    from pytest_flopbudget.profile.environment import Environment
    from pytest_flopbudget.profile.model_profile import ModelProfile
    from pytest_flopbudget.settings.budget import BudgetSettings

SHOWN_SHARE = 0.01  # a layer's share of the latency from which it is stored


def with_entry(
    baseline: Baseline, profile: ModelProfile, budget_settings: BudgetSettings, *, adds: bool
) -> Baseline:
    """Refresh the entry of the environment of a profile, or add it where that is asked for."""
    metrics = [METRICS[key] for key in budget_settings.metrics]
    measured = [metric for metric in metrics if _is_stored(metric, profile)]
    if not measured or profile.environment is None:
        return baseline
    key = profile.environment.key
    before = baseline.environments.get(key)
    if before is None and not adds:
        return baseline
    now = _entry(baseline, profile, profile.environment, measured)
    entry = now if before is None else _merged(before, now, measured, budget_settings)
    entries = {**baseline.environments, key: entry}
    if before is None:  # by name, so that two branches that add one rarely do at one place
        entries = dict(sorted(entries.items()))
    return replace(baseline, environments=entries)


def _is_stored(metric: Metric, profile: ModelProfile) -> bool:
    """Return whether a metric belongs to an entry, and has a value that is to be believed."""
    is_known = metric.of(profile) is not None and not metric.unreliable_reason(profile)
    return is_known and not metric.exact


def _merged(
    before: EnvironmentEntry,
    now: EnvironmentEntry,
    measured: Iterable[Metric],
    budget_settings: BudgetSettings,
) -> EnvironmentEntry:
    """Replace the metrics that have moved, since mere noise must not make a diff.

    What was measured with another torch or Python, or for another count, cannot stand beside the
    new one. An entry that does not say with which Python takes this one.
    """
    before = replace(before, python=before.python or now.python)
    if (before.torch, before.python, before.flops) != (now.torch, now.python, now.flops):
        return now
    for metric in measured:
        tolerance = budget_settings.tolerance[metric.key]
        if _moved(before.value_of(metric), now.value_of(metric), tolerance):
            before = _with_metric(before, metric, now)
    return before


def _moved(before: Fraction | None, after: Fraction | None, tolerance: Fraction) -> bool:
    """Return whether a figure moved by more than a third of its tolerance."""
    if before is None or after is None:
        return before != after
    return abs(after - before) > before * tolerance / 3


def _with_metric(
    before: EnvironmentEntry, metric: Metric, now: EnvironmentEntry
) -> EnvironmentEntry:
    """Replace all that an entry has of one metric."""
    fields = {figure.field for figure in metric.figures}
    kept = {field: value for field, value in before.figures.items() if field not in fields}
    new = {field: value for field, value in now.figures.items() if field in fields}
    layers = now.layers if metric is LATENCY else before.layers
    return replace(before, figures={**kept, **new}, layers=layers)


def _entry(
    baseline: Baseline, profile: ModelProfile, environment: Environment, measured: list[Metric]
) -> EnvironmentEntry:
    values = {figure: figure.of(profile) for figure in figures_of(measured)}
    return EnvironmentEntry(
        torch=environment.torch,
        python=environment.python,
        flops=baseline.total.get(GFLOPS.field, profile.flops),
        figures={f.field: _rounded(f, value) for f, value in values.items() if value is not None},
        layers=_layer_times(profile) if LATENCY in measured else {},
    )


def _layer_times(profile: ModelProfile) -> dict[str, float]:
    """Return the times of the layers that have a visible share in that of the model."""
    least = SHOWN_SHARE * (profile.latency_ms or 0)
    times = {layer.path: layer.latency_ms for layer in profile.layers if layer.path}
    return {
        path: _rounded(LATENCY, time)
        for path, time in times.items()
        if time is not None and time >= least
    }


def _rounded(figure: Figure, value: float) -> float:
    """Round a time as the file does, so that what is written is what is compared."""
    return float(f"{value:.3e}") if figure.timed else value
