"""The section in pytest's terminal summary: a line for each budget, and what the run did."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_flopbudget.baseline.update import UpdateKind
from pytest_flopbudget.metrics import METRICS, change_text
from pytest_flopbudget.profile.layer_paths import shown_path
from pytest_flopbudget.profile.layer_table import layer_table
from pytest_flopbudget.report.attribution import attribution_sections, changed_layers
from pytest_flopbudget.report.github.workflow_commands import group
from pytest_flopbudget.report.ordering import earlier
from pytest_flopbudget.text_table import aligned
from pytest_flopbudget.verdict.limits import stored_value
from pytest_flopbudget.verdict.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_flopbudget.settings.run import RunSettings
    from pytest_flopbudget.verdict.result import Result
    from pytest_flopbudget.verdict.verdict import MetricVerdict


LONG_TABLE = 20  # lines from which a log is better without it


def budget_lines(results: Sequence[Result]) -> list[str]:
    """Draw one line per budget, by test file; the name is last, since it may be of any length."""
    if not results:
        return []
    sides = "l" + "rl" * len(METRICS) + "l"
    heading, *rows = aligned([_heading(results), *map(_row, results)], sides, indent="  ")
    lines = [heading]
    for file in dict.fromkeys(result.test_file for result in results):
        lines.append(file)
        lines += [row for row, r in zip(rows, results, strict=True) if r.test_file == file]
    return lines


def table_lines(settings: RunSettings, results: Sequence[Result], width: int) -> Iterator[str]:
    """Draw the per-layer tables: whole if all were asked for, those of failures to a width."""
    every = settings.table == "all"
    for result in results:
        if every or (settings.table == "failed" and result.judgement.failing):
            table = layer_table(result.profile, settings.depth, width=None if every else width)
            folds = settings.github and len(table) > LONG_TABLE
            yield ""
            yield from group(result.title, table) if folds else (result.title, *table)


def improvement_lines(results: Sequence[Result]) -> Iterator[str]:
    """Name the layers that account for what improved, where the test has not said it already."""
    for result in results:
        better = {v.metric for v in result.judgement.metrics if v.verdict is Verdict.IMPROVED}
        if better and not result.judgement.failing:
            yield ""
            yield result.title
            for section in attribution_sections(result, better):
                yield from section


def change_lines(
    changes: Sequence[tuple[Result, UpdateKind]], kept: Sequence[str]
) -> Iterator[str]:
    """Say what an update did, and name each budget that it raised."""
    counts = Counter(change for _, change in changes)
    counts[UpdateKind.KEPT] += len(kept)
    yield f"baselines: {_counted_changes(counts)}"
    yield from _named_changes(changes)
    for test in kept:
        yield f"  kept that of {test}, which did not pass"


def proposal_lines(
    settings: RunSettings, changes: Sequence[tuple[Result, UpdateKind]]
) -> Iterator[str]:
    """Say what an update would do, and how to accept what was written instead."""
    counts = Counter(change for _, change in changes)
    yield f"proposed: {_counted_changes(counts)}"
    yield from _named_changes(changes)
    if settings.propose and counts.total() > counts[UpdateKind.UNCHANGED]:
        folder, budgets = (_quoted(path) for path in (settings.propose, settings.directory))
        yield f"  to accept: cp -R {folder}/. {budgets}"


def _counted_changes(counts: Counter[UpdateKind]) -> str:
    words = [f"{counts[change]} {change.value}" for change in UpdateKind if counts[change]]
    return ", ".join(words) or "none"


def _named_changes(changes: Sequence[tuple[Result, UpdateKind]]) -> Iterator[str]:
    for result, change in changes:
        if change is UpdateKind.RAISED:
            yield f"  raised {result.file}: {_growth(result)}"
        elif change is not UpdateKind.UNCHANGED:
            yield f"  {change.value} {result.file}"


def _quoted(path: Path) -> str:
    """Write a path for the shell, from where pytest was started."""
    return shlex.quote(Path(os.path.relpath(path)).as_posix())


def _heading(results: Sequence[Result]) -> tuple[str, ...]:
    """Name the columns of the metrics that any budget has."""
    judged = {verdict.metric for r in results for verdict in r.judgement.metrics}
    labels = (m.heading if key in judged else "" for key, m in METRICS.items())
    return ("verdict", *(cell for label in labels for cell in (label, "")), "budget")


def _row(result: Result) -> tuple[str, ...]:
    by_metric = {verdict.metric: verdict for verdict in result.judgement.metrics}
    cells = (cell for key in METRICS for cell in _cells(by_metric.get(key), result))
    return (result.judgement.verdict.text, *cells, result.short_name)


def _cells(verdict: MetricVerdict | None, result: Result) -> tuple[str, str]:
    """Write a measured value, and how it changed against the baseline."""
    if verdict is None:
        return "", ""
    metric = METRICS[verdict.metric]
    value = metric.text(verdict.measured, metric.decimals_for(verdict.measured))
    old = earlier(verdict, result)
    if verdict.measured is None or old is None or old == verdict.measured:
        return value, ""
    return value, change_text(verdict.measured, old)


def _growth(result: Result) -> str:
    """List the relative changes against the baseline that was replaced."""
    parts = []
    for key in result.budget_settings.metrics:
        before = stored_value(METRICS[key], result.profile, result.baseline)
        after = getattr(result.profile, METRICS[key].field)
        if before is not None and after is not None and before != after:
            parts.append(f"{METRICS[key].label} {change_text(after, before)}")
    return ", ".join(parts + _raised_layers(result)) or "some layers, at the same total"


def _raised_layers(result: Result) -> list[str]:
    """Name the layer that rose most where the total did not."""
    for key in result.budget_settings.metrics:
        metric = METRICS[key]
        before = stored_value(metric, result.profile, result.baseline)
        after = getattr(result.profile, metric.field)
        if not metric.exact or before is None or after is None or after > before:
            continue
        for change in changed_layers(result, metric)[:1]:
            if change.growth > 0:
                by = metric.text(change.growth, metric.decimals_for(change.growth))
                return [f"`{shown_path(change.path)}` {metric.label} +{by}"]
    return []
