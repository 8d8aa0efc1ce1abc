"""The cause of a change: which layers account for it, in the order of their share."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from itertools import accumulate
from typing import TYPE_CHECKING

from pytest_flopbudget.metrics import LATENCY

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
    former_path: str | None = None  # of a renamed layer

    @property
    def growth(self) -> Fraction:
        """How much more the layer costs than before."""
        return self.after - self.before


def changes(metric: Metric, profile: ModelProfile, baseline: Baseline) -> list[LayerChange]:
    """List the layers whose cost changed: the largest growth first, then the largest saving."""
    found: Iterable[LayerChange] = ()  # of memory, no layer is stored
    if metric.exact:
        found = _cost_changes(metric, profile, baseline)
    elif metric is LATENCY:
        found = _latency_changes(profile, baseline)
    return sorted((c for c in found if c.growth), key=lambda c: (c.growth < 0, -abs(c.growth)))


def renamed(profile: ModelProfile, baseline: Baseline) -> dict[str, str]:
    """Match new paths with missing ones: same type, same costs, between the same neighbours."""
    measured = [cost for cost in ("params", "flops") if getattr(profile, cost) is not None]
    costs = [cost for cost in measured if cost in baseline.total]
    now = [
        (layer.path, (layer.type, *(getattr(layer, f"own_{cost}") for cost in costs)))
        for layer in profile.layers
        if layer.own_params or layer.own_flops
    ]
    before = [
        (path, (own.type, *(own.costs.get(cost, 0) for cost in costs)))
        for path, own in baseline.own.items()
    ]
    shared = {path for path, _ in before if path in profile}
    missing: dict[object, list[str]] = {}
    for path, place in _places(before, shared):
        missing.setdefault(place, []).append(path)
    pairs = {}
    for path, place in _places(now, shared):
        if missing.get(place):
            pairs[path] = missing[place].pop(0)
    return pairs


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
        own = baseline.own.get(layer.path)
        after = getattr(layer, f"own_{metric.field}") or 0
        before = own.costs.get(metric.field, 0) if own else 0
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
            lost = Fraction(own.costs.get(metric.field, 0))
            yield LayerChange(
                kind=ChangeKind.MISSING, path=path, type=own.type, before=lost, after=Fraction(0)
            )


def _latency_changes(profile: ModelProfile, baseline: Baseline) -> Iterable[LayerChange]:
    """Compare the times of stored layers, without what is stored of the layers below them.

    What is left of a layer that has such parts may be its own code, or parts too small to be
    stored. As a difference of noisy times it can seem to shrink, so it counts if it grew.
    """
    environment = profile.environment
    entry = baseline.latency.get(environment.key) if environment else None
    if entry is None or not entry.layers:
        return
    before = {path: Fraction(str(ms)) for path, ms in entry.layers.items()}
    before = {"": entry.figure(LATENCY) or Fraction(0), **before}
    layers = {path: profile[path] for path in before if path in profile}
    # What a fused operator computes has no time of its own, so nobody knows.
    after = {
        p: Fraction(layer.latency_ms) for p, layer in layers.items() if layer.latency_ms is not None
    }
    parts = _parts(before)
    for path in after:
        layer = layers[path]
        was, now = (_without(times, path, parts.get(path, ())) for times in (before, after))
        if path in parts and now <= was:
            continue
        yield LayerChange(
            kind=_direction(now - was),
            path=path,
            type=layer.type,
            before=was,
            after=now,
            calls=layer.calls,
        )


def _parts(paths: Collection[str]) -> dict[str, list[str]]:
    """Assign each path to the nearest one above it."""
    parts: dict[str, list[str]] = {}
    for path in paths:
        if path:
            above = path.rpartition(".")[0]
            while above not in paths:
                above = above.rpartition(".")[0]
            parts.setdefault(above, []).append(path)
    return parts


def _without(times: Mapping[str, Fraction], path: str, parts: Iterable[str]) -> Fraction:
    """Take the times of the parts from that of a layer; noise may leave less than nothing."""
    return max(times[path] - sum(times.get(part, 0) for part in parts), Fraction(0))


def _with_ancestors(paths: Iterable[str]) -> set[str]:
    """Add the paths above each one: those layers were there, though they cost nothing."""
    return {"", *(above for path in paths for above in accumulate(path.split("."), "{}.{}".format))}


def _direction(growth: Fraction) -> ChangeKind:
    return ChangeKind.GROWN if growth > 0 else ChangeKind.SHRUNK
