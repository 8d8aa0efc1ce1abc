"""What an update did, or would do: a line that counts the baselines, and one for each of them."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_flopbudget.baseline.update import UpdateKind
from pytest_flopbudget.metrics import METRICS, change_text
from pytest_flopbudget.profile.layer_paths import shown_path
from pytest_flopbudget.report.attribution import changed_layers
from pytest_flopbudget.report.sentences import dependence
from pytest_flopbudget.verdict.limits import stored_value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_flopbudget.metrics import Metric, Number
    from pytest_flopbudget.settings.run import RunSettings
    from pytest_flopbudget.verdict.result import Result


def change_lines(
    changes: Sequence[tuple[Result, UpdateKind]], kept: Sequence[str]
) -> Iterator[str]:
    """Yield what an update did, and to which baselines."""
    counts = Counter(kind for _, kind in changes)
    counts[UpdateKind.KEPT] += len(kept)
    yield f"baselines: {_counted_changes(counts)}"
    yield from _named_changes(changes)
    for test in kept:
        yield f"  kept that of {test}, which did not pass"


def proposal_lines(
    settings: RunSettings, changes: Sequence[tuple[Result, UpdateKind]]
) -> Iterator[str]:
    """Yield what an update would do, and how to accept the proposals."""
    counts = Counter(kind for _, kind in changes)
    yield f"proposed: {_counted_changes(counts)}"
    yield from _named_changes(changes)
    if settings.propose and counts.total() > counts[UpdateKind.UNCHANGED]:
        folder, budgets = (_quoted(path) for path in (settings.propose, settings.directory))
        yield f"  to accept: cp -R {folder}/. {budgets}"


def _quoted(path: Path) -> str:
    """Return a path for the shell, from where pytest was started."""
    return shlex.quote(Path(os.path.relpath(path)).as_posix())


def _counted_changes(counts: Counter[UpdateKind]) -> str:
    parts = [f"{counts[kind]} {kind.value}" for kind in UpdateKind if counts[kind]]
    return ", ".join(parts) or "none"


def _named_changes(changes: Sequence[tuple[Result, UpdateKind]]) -> Iterator[str]:
    for result, kind in changes:
        growth = f": {_growth(result)}" if kind is UpdateKind.RAISED else ""
        if kind is not UpdateKind.UNCHANGED:
            yield f"  {kind.value} {result.file}{growth}{dependence(result)}"


def _growth(result: Result) -> str:
    """Return the relative changes against the baseline that was replaced."""
    parts = [
        f"{metric.label} {change_text(after, before)}"
        for metric, before, after in _before_and_after(result)
        if before != after
    ]
    return ", ".join(parts + _raised_layer(result)) or "some layers, at the same total"


def _raised_layer(result: Result) -> list[str]:
    """Name the layer that rose most where the total of its metric did not."""
    for metric, before, after in _before_and_after(result):
        if metric.exact and after <= before:
            for change in changed_layers(result, metric)[:1]:
                if change.growth > 0:
                    by = metric.text(change.growth, metric.decimals_for(change.growth))
                    return [f"`{shown_path(change.path)}` {metric.label} +{by}"]
    return []


def _before_and_after(result: Result) -> Iterator[tuple[Metric, Number, Number]]:
    """Yield the metrics that were stored and measured, with both values."""
    for metric in map(METRICS.__getitem__, result.budget_settings.metrics):
        before = stored_value(metric, result.profile, result.baseline)
        after = metric.of(result.profile)
        if before is not None and after is not None:
            yield metric, before, after
