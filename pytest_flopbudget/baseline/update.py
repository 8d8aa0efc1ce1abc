"""Updates: the baseline that follows from an old one and what was measured."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING

from pytest_flopbudget.baseline.environment_entry import with_entry
from pytest_flopbudget.baseline.record import Baseline, OwnCost
from pytest_flopbudget.metrics import METRICS, exact_metrics, figures_of, noisy_metrics

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_flopbudget.metrics import Figure, Metric, Number
    from pytest_flopbudget.profile.model_profile import LayerProfile, ModelProfile
    from pytest_flopbudget.settings.budget import BudgetSettings


REAL_DTYPE = re.compile(r"\b(?:b?float|complex)\d+\w*(?=\[)")


class UpdateKind(Enum):
    """What an update did to a baseline."""

    CREATED = "created"
    RAISED = "raised"
    TIGHTENED = "tightened"
    CHANGED = "changed"  # otherwise: another environment, name, type or order
    UNCHANGED = "unchanged"
    KEPT = "kept"


@dataclass(frozen=True, kw_only=True)
class BaselineChange:
    """What an update does to one baseline."""

    path: str  # relative to the budget folder
    file: str  # as it is shown
    old: Baseline | None
    new: Baseline

    @cached_property
    def kind(self) -> UpdateKind:
        """In which way the baseline changes."""
        return update_kind(self.old, self.new)


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
    metrics = [METRICS[key] for key in budget_settings.metrics if METRICS[key].exact]
    measured = [figure for figure in figures_of(metrics) if figure.of(profile) is not None]
    has_counted = any(metric.counted and metric in measured for metric in metrics)
    ignored = ignored_operators(profile, budget_settings)
    new = Baseline(
        test=test,
        model=profile.model,
        inputs=profile.inputs,
        mode=profile.mode,
        engine=profile.engine,
        counter=profile.counter if old is None or has_counted else old.counter,
        torch=_torch(old, profile, (metric for metric in metrics if metric in measured)),
        state=profile.state if old is None or measured or not old.state else old.state,
        total=_total(old, profile, measured),
        own=_own(old, profile, measured),
        ignored=ignored if old is None or has_counted else old.ignored,
        data_dependent=(profile if old is None or has_counted else old).data_dependent,
        environments={} if old is None else dict(old.environments),
    )
    return with_entry(new, profile, budget_settings, adds=adds_entry or old is None)


def _torch(old: Baseline | None, profile: ModelProfile, measured: Iterable[Metric]) -> str:
    """Return the minor version of torch that counted what depends on it, if anything does."""
    if any(metric.of_torch for metric in measured):
        return profile.torch
    return "" if old is None else old.torch


def differences(
    baseline: Baseline, profile: ModelProfile | Baseline, sizes: tuple[int, ...] = ()
) -> list[tuple[str, str, str]]:
    """Return the settings with which a baseline was not made: (which, baseline, profile)."""
    of_profile = getattr(profile, "scaling", None)
    sizes = of_profile.sizes if of_profile else sizes
    stored = baseline.scaling.sizes if baseline.scaling else ()
    pairs = [
        ("target", *_targets(baseline, profile)),
        ("sizes", _sizes_text(stored), _sizes_text(sizes)),
        ("engine", baseline.engine, profile.engine),
        ("mode", baseline.mode, profile.mode),
        ("inputs", ", ".join(baseline.inputs), ", ".join(profile.inputs)),
    ]
    return [pair for pair in pairs if _without_dtypes(pair[1]) != _without_dtypes(pair[2])]


def _targets(baseline: Baseline, profile: ModelProfile | Baseline) -> tuple[str, str]:
    """Return what was called and what is, the same twice if it is the same method of models."""
    before, now = baseline.model, profile.model
    target = getattr(profile, "target", None)  # a baseline tells it by the name of its model
    called = _method(now) if target is None else target
    same = before == now or (target != now and _method(before) == called)
    return ("", "") if same else (before, now)


def _method(model: str) -> str:
    """Return which method of a model was called, none if the model itself was."""
    method = model.rpartition(".")[2] if "." in model else ""
    return method if method.isidentifier() else ""


def _sizes_text(sizes: tuple[int, ...]) -> str:
    return ", ".join(map(str, sizes)) if sizes else "none"


def _without_dtypes(inputs: str) -> str:
    """Return inputs without the dtypes of real and complex ones, which follow the model's state."""
    return REAL_DTYPE.sub("", inputs)


def ignored_operators(profile: ModelProfile, budget_settings: BudgetSettings) -> tuple[str, ...]:
    """Return the operators that ran uncounted, as the team agreed, each once."""
    ran = {uncounted.operator for uncounted in profile.uncounted}
    return tuple(sorted(ran & set(budget_settings.ignore_ops)))


def update_kind(old: Baseline | None, new: Baseline) -> UpdateKind:
    """Return what an update does to a baseline; with any figure raised, it is raised."""
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
    for figure in _stored_figures(old.total.keys() & new.total.keys()):
        yield old.total[figure.field], new.total[figure.field]
        for path in old.own.keys() & new.own.keys():
            yield old.own_of(path, figure), new.own_of(path, figure)
    if old.scaling and new.scaling:
        for key in old.scaling.curves.keys() & new.scaling.curves.keys():
            curves = old.scaling.curves[key], new.scaling.curves[key]
            yield from zip(*(curve.values for curve in curves), strict=False)
    for environment in old.environments.keys() & new.environments.keys():
        for metric in noisy_metrics():
            before = old.environments[environment].value_of(metric)
            after = new.environments[environment].value_of(metric)
            if before is not None and after is not None:
                yield before, after


def _stored_figures(fields: Iterable[str]) -> list[Figure]:
    """Return the exact figures of some fields, in the order of the file."""
    return [figure for figure in figures_of(exact_metrics()) if figure.field in set(fields)]


def _total(
    old: Baseline | None, profile: ModelProfile, measured: Iterable[Figure]
) -> dict[str, int]:
    values = {} if old is None else dict(old.total)
    values |= {figure.field: int(figure.of(profile) or 0) for figure in measured}
    return {figure.field: values[figure.field] for figure in _stored_figures(values)}


def _own(
    old: Baseline | None, profile: ModelProfile, measured: Iterable[Figure]
) -> dict[str, OwnCost]:
    """Own costs in the order of the profile; layers it lacks that keep a cost come last."""
    stored = {} if old is None else old.own
    total = _total(old, profile, measured)
    layers = {layer.path: layer for layer in profile.layers}
    own = {}
    for path in [*layers, *(path for path in stored if path not in layers)]:
        layer = layers.get(path)
        before = stored[path].costs if path in stored else {}
        costs = {cost: before.get(cost, 0) for cost in total}
        costs |= {figure.field: _own_cost(layer, figure) for figure in measured}
        if any(costs.values()):
            kind = layer.type if layer is not None else stored[path].type
            own[path] = OwnCost(type=kind, costs=costs)
    return own


def _own_cost(layer: LayerProfile | None, figure: Figure) -> int:
    return 0 if layer is None else int(figure.own(layer) or 0)
