"""What `--update-budgets` makes of a baseline: a pure function of the old one and a profile."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from pytest_flopbudget.baseline.environment_entry import with_entry
from pytest_flopbudget.baseline.record import COSTS, Baseline, OwnCost
from pytest_flopbudget.metrics import METRICS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_flopbudget.metrics import Number
    from pytest_flopbudget.profile.model_profile import LayerProfile, ModelProfile
    from pytest_flopbudget.settings.budget import BudgetSettings

COSTS_OF = {"params": ("params",), "gflops": ("flops", "forward_flops", "backward_flops")}


class UpdateKind(Enum):
    """What an update did to a baseline."""

    CREATED = "created"
    RAISED = "raised"
    TIGHTENED = "tightened"
    CHANGED = "changed"  # otherwise: another environment, name, type or order
    UNCHANGED = "unchanged"
    KEPT = "kept"


def updated(
    old: Baseline | None,
    profile: ModelProfile,
    budget_settings: BudgetSettings,
    test: str,
    *,
    adds_entry: bool,
) -> Baseline:
    """Merge what was measured into a baseline; what was not keeps its stored value.

    A baseline for other inputs, or another mode or engine, is started anew. A new one has the
    entry of this environment; one that exists gets it only if `adds_entry`.
    """
    if old is not None and differences(old, profile):
        old = None
    measured = [cost for key in budget_settings.metrics for cost in COSTS_OF.get(key, ())]
    measured = [cost for cost in measured if getattr(profile, cost) is not None]
    counted = "flops" in measured
    new = Baseline(
        test=test,
        model=profile.model,
        inputs=profile.inputs,
        mode=profile.mode,
        engine=profile.engine,
        counter=profile.counter if old is None or counted else old.counter,
        total=_total(old, profile, measured),
        own=_own(old, profile, measured),
        ignored=old.ignored
        if old is not None and "flops" not in measured
        else _ignored(profile, budget_settings),
        latency={} if old is None else dict(old.latency),
    )
    return with_entry(new, profile, budget_settings, adds=adds_entry or old is None)


def differences(baseline: Baseline, profile: ModelProfile) -> list[tuple[str, str, str]]:
    """List in what a baseline was made otherwise: (what, baseline, profile)."""
    pairs = [
        ("engine", baseline.engine, profile.engine),
        ("mode", baseline.mode, profile.mode),
        ("inputs", ", ".join(baseline.inputs), ", ".join(profile.inputs)),
    ]
    return [pair for pair in pairs if pair[1] != pair[2]]


def update_kind(old: Baseline | None, new: Baseline) -> UpdateKind:
    """Say what an update does; a baseline with any figure raised is raised."""
    if old is None:
        return UpdateKind.CREATED
    if old == new and list(old.own) == list(new.own):
        return UpdateKind.UNCHANGED
    pairs = list(_figures(old, new))
    if any(after > before for before, after in pairs):
        return UpdateKind.RAISED
    return (
        UpdateKind.TIGHTENED
        if any(after < before for before, after in pairs)
        else UpdateKind.CHANGED
    )


def _figures(old: Baseline, new: Baseline) -> Iterator[tuple[Number, Number]]:
    """Pair each figure of the old baseline with the new one, of the total and of each layer."""
    for cost in old.total.keys() & new.total.keys():
        yield old.total[cost], new.total[cost]
        for path in old.own.keys() & new.own.keys():
            yield old.own[path].costs.get(cost, 0), new.own[path].costs.get(cost, 0)
    for environment in old.latency.keys() & new.latency.keys():
        for metric in METRICS.values():
            entries = old.latency[environment], new.latency[environment]
            before, after = (entry.figure(metric) for entry in entries)
            if before is not None and after is not None:
                yield before, after


def _total(old: Baseline | None, profile: ModelProfile, measured: list[str]) -> dict[str, int]:
    stored = {} if old is None else old.total
    both = {**stored, **{cost: getattr(profile, cost) for cost in measured}}
    return {cost: both[cost] for cost in COSTS if cost in both}


def _own(old: Baseline | None, profile: ModelProfile, measured: list[str]) -> dict[str, OwnCost]:
    """Own costs in the order of the profile; layers it lacks that keep a cost come last."""
    stored = {} if old is None else old.own
    kept = [cost for cost in COSTS if old is not None and cost in old.total.keys() - set(measured)]
    layers = {layer.path: layer for layer in profile.layers}
    own = {}
    for path in [*layers, *(path for path in stored if path not in layers)]:
        layer = layers.get(path)
        before = stored[path].costs if path in stored else {}
        costs = {cost: before.get(cost, 0) for cost in kept}
        costs |= {cost: _own_cost(layer, cost) for cost in measured}
        if any(costs.values()):
            kind = layer.type if layer is not None else stored[path].type
            own[path] = OwnCost(type=kind, costs={c: costs[c] for c in COSTS if c in costs})
    return own


def _own_cost(layer: LayerProfile | None, cost: str) -> int:
    return 0 if layer is None else getattr(layer, f"own_{cost}") or 0


def _ignored(profile: ModelProfile, budget_settings: BudgetSettings) -> tuple[str, ...]:
    ran = {uncounted.operator for uncounted in profile.uncounted}
    return tuple(sorted(ran & set(budget_settings.ignore_ops)))
