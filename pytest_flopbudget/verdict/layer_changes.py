"""Layer changes: the layers that account for a changed metric, the largest growth first."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from itertools import accumulate
from typing import TYPE_CHECKING

from pytest_flopbudget.metrics import LATENCY, exact_metrics

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from pytest_flopbudget.baseline.record import Baseline
    from pytest_flopbudget.metrics import Metric
    from pytest_flopbudget.profile.model_profile import ModelProfile


class ChangeKind(Enum):
    """What happened to a layer."""

    GROWN = "grown"
    SHRUNK = "shrunk"
    NEW = "new"
    MISSING = "missing"
    RENAMED = "renamed"


@dataclass(frozen=True, kw_only=True)
class LayerChange:
    """How one layer's own cost differs from the baseline, in base units."""

    kind: ChangeKind
    path: str
    type: str
    before: Fraction
    after: Fraction
    calls: int | None = None

    @property
    def growth(self) -> Fraction:
        """How much more the layer costs than before."""
        return self.after - self.before


def changes(metric: Metric, profile: ModelProfile, baseline: Baseline) -> list[LayerChange]:
    """List the layers whose own cost changed: the largest growth first, then the largest saving.

    Of a metric whose values do not add up, no layer is stored.
    """
    found: Iterable[LayerChange] = ()
    if metric.exact:
        found = _cost_changes(metric, profile, baseline)
    elif metric is LATENCY:
        found = _latency_changes(profile, baseline)
    return sorted((c for c in found if c.growth), key=lambda c: (c.growth < 0, -abs(c.growth)))


def renamed(profile: ModelProfile, baseline: Baseline) -> dict[str, str]:
    """Match new paths with missing ones: same type, same costs, between the same neighbours."""
    exact = exact_metrics()
    known = [m for m in exact if m.of(profile) is not None and m.field in baseline.total]
    now = [
        (layer.path, (layer.type, *(metric.own(layer) for metric in known)))
        for layer in profile.layers
        if any(metric.own(layer) for metric in exact)
    ]
    before = [
        (path, (own.type, *(baseline.own_of(path, metric) for metric in known)))
        for path, own in baseline.own.items()
    ]
    shared = {path for path, _ in before if path in profile}
    missing: dict[object, list[str]] = {}
    for path, place in _places(before, shared):
        missing.setdefault(place, []).append(path)
    former = {}
    for path, place in _places(now, shared):
        if missing.get(place):
            former[path] = missing[place].pop(0)
    return former


def _places(layers: Iterable[tuple[str, object]], shared: set[str]) -> Iterable[tuple[str, object]]:
    """Pair each layer whose path is not shared with its last shared neighbour and its cost."""
    neighbour = None
    for path, cost in layers:
        if path in shared:
            neighbour = path
        else:
            yield path, (neighbour, cost)


def _cost_changes(
    metric: Metric, profile: ModelProfile, baseline: Baseline
) -> Iterable[LayerChange]:
    former = renamed(profile, baseline)
    known = _with_ancestors(baseline.own)
    moved = set(former.values())
    for layer in profile.layers:
        before, after = baseline.own_of(layer.path, metric), metric.own(layer) or 0
        if after == before or layer.path in former:
            continue
        kind = _direction(Fraction(after - before)) if layer.path in known else ChangeKind.NEW
        yield LayerChange(
            kind=kind,
            path=layer.path,
            type=layer.type,
            before=Fraction(before),
            after=Fraction(after),
            calls=layer.calls,
        )
    for path, own in baseline.own.items():
        if path not in profile and path not in moved:
            lost = Fraction(baseline.own_of(path, metric))
            yield LayerChange(
                kind=ChangeKind.MISSING, path=path, type=own.type, before=lost, after=Fraction(0)
            )


def _latency_changes(profile: ModelProfile, baseline: Baseline) -> Iterable[LayerChange]:
    """Compare the times of stored layers, each less the times of the stored layers below it.

    What remains may be the layer's own code, or layers too small to be stored. As a difference of
    noisy times it can seem to shrink, so it is a change only if it grew.
    """
    environment = profile.environment
    entry = baseline.environments.get(environment.key) if environment else None
    if entry is None or not entry.layers:
        return
    before = {path: Fraction(str(ms)) for path, ms in entry.layers.items()}
    before = {"": entry.value_of(LATENCY) or Fraction(0), **before}
    layers = {path: profile[path] for path in before if path in profile}
    # What a fused operator computes has no time of its own, so nobody knows.
    after = {
        p: Fraction(layer.latency_ms) for p, layer in layers.items() if layer.latency_ms is not None
    }
    below = _nearest_below(before)
    for path in after:
        layer = layers[path]
        was, now = (_without(times, path, below.get(path, ())) for times in (before, after))
        if path in below and now <= was:
            continue
        yield LayerChange(
            kind=_direction(now - was),
            path=path,
            type=layer.type,
            before=was,
            after=now,
            calls=layer.calls,
        )


def _nearest_below(paths: Collection[str]) -> dict[str, list[str]]:
    """Return for each path those for which it is the nearest one above."""
    below: dict[str, list[str]] = {}
    for path in paths:
        if path:
            above = path.rpartition(".")[0]
            while above not in paths:
                above = above.rpartition(".")[0]
            below.setdefault(above, []).append(path)
    return below


def _without(times: Mapping[str, Fraction], path: str, below: Iterable[str]) -> Fraction:
    """Subtract the times of layers from that of another; noise may leave less than nothing."""
    return max(times[path] - sum(times.get(one, 0) for one in below), Fraction(0))


def _with_ancestors(paths: Iterable[str]) -> set[str]:
    """Add the paths above each one: those layers were there, though they cost nothing."""
    return {"", *(above for path in paths for above in accumulate(path.split("."), "{}.{}".format))}


def _direction(growth: Fraction) -> ChangeKind:
    return ChangeKind.GROWN if growth > 0 else ChangeKind.SHRUNK
