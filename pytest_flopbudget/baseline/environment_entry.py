"""What an update makes of the entry of one environment: it adds, refreshes or leaves it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_flopbudget.baseline.record import LatencyEntry
from pytest_flopbudget.metrics import LATENCY, MEMORY, METRICS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from fractions import Fraction

    from pytest_flopbudget.baseline.record import Baseline
    from pytest_flopbudget.metrics import Metric
    from pytest_flopbudget.profile.environment import Environment
    from pytest_flopbudget.profile.model_profile import ModelProfile
    from pytest_flopbudget.settings.budget import BudgetSettings

SHOWN_SHARE = 0.01  # a layer's part of the latency from which it is stored


def with_entry(
    baseline: Baseline, profile: ModelProfile, budget_settings: BudgetSettings, *, adds: bool
) -> Baseline:
    """Refresh the entry of the environment of a profile, or add it where that is asked for."""
    measured = [
        METRICS[key] for key in budget_settings.metrics if _is_stored(METRICS[key], profile)
    ]
    if not measured or profile.environment is None:
        return baseline
    key = profile.environment.key
    before = baseline.latency.get(key)
    if before is None and not adds:
        return baseline
    now = _entry(baseline, profile, profile.environment, measured)
    entry = now if before is None else _merged(before, now, measured, budget_settings)
    entries = {**baseline.latency, key: entry}
    if before is None:  # by name, so that two branches that add one rarely do at one place
        entries = dict(sorted(entries.items()))
    return replace(baseline, latency=entries)


def _is_stored(metric: Metric, profile: ModelProfile) -> bool:
    """Tell whether a metric belongs to an entry, and there is a value that is to be believed."""
    doubtful = metric is LATENCY and bool(profile.unreliable_reason)
    return not (metric.exact or doubtful or getattr(profile, metric.field) is None)


def _merged(
    before: LatencyEntry,
    now: LatencyEntry,
    measured: Iterable[Metric],
    budget_settings: BudgetSettings,
) -> LatencyEntry:
    """Take over what has moved: noise alone must not make a diff.

    What was measured with another torch, or for another count, cannot stand beside the new one.
    """
    if (before.torch, before.flops) != (now.torch, now.flops):
        return now
    for metric in measured:
        if not _moved(
            before.figure(metric), now.figure(metric), budget_settings.tolerance[metric.key]
        ):
            continue
        if metric is MEMORY:
            before = replace(before, memory_bytes=now.memory_bytes)
        else:
            before = replace(before, times=now.times, layers=now.layers)
    return before


def _moved(before: Fraction | None, after: Fraction | None, tolerance: Fraction) -> bool:
    """Tell whether a figure moved by more than a third of its tolerance."""
    if before is None or after is None:
        return before != after
    return abs(after - before) > before * tolerance / 3


def _entry(
    baseline: Baseline, profile: ModelProfile, environment: Environment, measured: list[Metric]
) -> LatencyEntry:
    timed = LATENCY in measured
    return LatencyEntry(
        torch=environment.torch,
        flops=baseline.total.get("flops", profile.flops),
        times=_times(profile) if timed else {},
        memory_bytes=profile.memory_bytes if MEMORY in measured else None,
        layers=_layers(profile) if timed else {},
    )


def _times(profile: ModelProfile) -> dict[str, float]:
    times = {
        "total_ms": profile.latency_ms,
        "forward_ms": profile.forward_latency_ms,
        "backward_ms": profile.backward_latency_ms,
    }
    return {key: _rounded(value) for key, value in times.items() if value is not None}


def _layers(profile: ModelProfile) -> dict[str, float]:
    """Return the times of the layers that have a visible part in that of the model."""
    least = SHOWN_SHARE * (profile.latency_ms or 0)
    times = {layer.path: layer.latency_ms for layer in profile.layers if layer.path}
    return {
        path: _rounded(time) for path, time in times.items() if time is not None and time >= least
    }


def _rounded(time_ms: float) -> float:
    """Round as the file does, so that what is written is what is compared."""
    return float(f"{time_ms:.3e}")
