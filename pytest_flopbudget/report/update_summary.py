"""What an update did, or would do: a line that counts the baselines, and one for each of them."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_flopbudget.baseline.update import UpdateKind
from pytest_flopbudget.metrics import METRICS, change_text, exact_metrics
from pytest_flopbudget.profile.layer_paths import shown_path
from pytest_flopbudget.report.sentences import dependence
from pytest_flopbudget.verdict.limits import state_change

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_flopbudget.baseline.record import Baseline
    from pytest_flopbudget.baseline.update import BaselineChange
    from pytest_flopbudget.metrics import Metric, Number
    from pytest_flopbudget.settings.run import RunSettings

ACCEPT = "python -m pytest_flopbudget accept"
BUDGETS = "budgets"  # where it accepts them if nothing is said


def change_lines(changes: Sequence[BaselineChange], kept: Sequence[str] = ()) -> Iterator[str]:
    """Yield what an update did, and to which baselines."""
    counts = _counts(changes)
    counts[UpdateKind.KEPT] += len(kept)
    yield f"baselines: {_counted_changes(counts)}"
    yield from _named_changes(changes)
    for test in kept:
        yield f"  kept that of {test}, which did not pass"


def proposal_lines(settings: RunSettings, changes: Sequence[BaselineChange]) -> Iterator[str]:
    """Yield what an update would do, and how to accept the proposals."""
    counts = _counts(changes)
    yield f"proposed: {_counted_changes(counts)}"
    yield from _named_changes(changes)
    if settings.propose and counts.total() > counts[UpdateKind.UNCHANGED]:
        folder, budgets = typed_path(settings.propose), typed_path(settings.directory)
        into = "" if budgets == BUDGETS else f" --into {shlex.quote(budgets)}"
        yield f"  to accept: {ACCEPT} {shlex.quote(folder)}{into}"


def typed_path(path: Path) -> str:
    """Return a path as it is typed where pytest was started."""
    return Path(os.path.relpath(path)).as_posix()


def _counts(changes: Iterable[BaselineChange]) -> Counter[UpdateKind]:
    return Counter(change.kind for change in changes)


def _counted_changes(counts: Counter[UpdateKind]) -> str:
    parts = [f"{counts[kind]} {kind.value}" for kind in UpdateKind if counts[kind]]
    return ", ".join(parts) or "none"


def _named_changes(changes: Iterable[BaselineChange]) -> Iterator[str]:
    for change in changes:
        if change.kind is not UpdateKind.UNCHANGED:
            details = "; ".join(_details(change))
            named = f"  {change.kind.value} {change.file}"
            yield f"{named}{f': {details}' if details else ''}{dependence(change.new)}"


def _details(change: BaselineChange) -> Iterator[str]:
    """Yield what a reviewer must see of a change: another state, and what was raised."""
    state = "" if change.old is None else state_change(change.old.state, change.new.state)
    if state:
        yield f"state: {state}"
    if change.kind is UpdateKind.RAISED:
        yield _growth(change)


def _growth(change: BaselineChange) -> str:
    """Return the relative changes against the baseline that was replaced."""
    if change.old is None:
        return ""
    parts = [
        f"{metric.label} {change_text(after, before)}"
        for metric, before, after in _before_and_after(change.old, change.new)
        if before != after
    ]
    parts += _raised_layer(change.old, change.new)
    return ", ".join(dict.fromkeys(parts)) or "some layers, at the same total"


def _raised_layer(old: Baseline, new: Baseline) -> list[str]:
    """Name the layer that rose most where the total of its metric did not."""
    for metric in exact_metrics():
        if new.total.get(metric.field, 0) > old.total.get(metric.field, 0):
            continue
        growths = {
            path: new.own_of(path, metric) - old.own_of(path, metric)
            for path in new.own
            if path in old.own
        }
        path = max(growths, key=growths.__getitem__, default="")
        if growths.get(path, 0) > 0:
            by = metric.text(growths[path], metric.decimals_for(growths[path]))
            return [f"`{shown_path(path)}` {metric.label} +{by}"]
    return []


def _before_and_after(old: Baseline, new: Baseline) -> Iterator[tuple[Metric, Number, Number]]:
    """Yield the metrics that both have, with both values; of what is noisy, in each environment."""
    for metric in METRICS.values():
        if metric.exact and metric.field in old.total and metric.field in new.total:
            yield metric, old.total[metric.field], new.total[metric.field]
        for key in old.environments.keys() & new.environments.keys():
            before = old.environments[key].value_of(metric)
            after = new.environments[key].value_of(metric)
            if before is not None and after is not None:
                yield metric, before, after
