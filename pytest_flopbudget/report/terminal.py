"""The section in pytest's terminal summary: a line for each budget, and what the run did."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pytest_flopbudget.baseline.update import Change
from pytest_flopbudget.metrics import METRICS, change_text
from pytest_flopbudget.names import TestId
from pytest_flopbudget.report.columns import aligned, counted, shortened
from pytest_flopbudget.report.layers import layer_table
from pytest_flopbudget.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_flopbudget.result import Result
    from pytest_flopbudget.settings import Settings
    from pytest_flopbudget.verdict import MetricVerdict

NAME_WIDTH = 30


def header_line(settings: Settings) -> str:
    """Tell the effective settings before the tests run."""
    terms = settings.terms
    tolerance = ",".join(f"{k}={float(v * 100):g}%" for k, v in terms.tolerance.items())
    parts = [
        "update" if settings.update else "judge",
        ",".join(terms.metrics),
        f"engine {terms.engine}",
        f"baselines in {settings.shown_directory}",
        f"tolerance {tolerance}",
    ]
    if terms.fail_on:
        parts.append(f"fail on {','.join(terms.fail_on)}")
    if terms.ignore_ops:
        parts.append(f"ignoring {','.join(terms.ignore_ops)}")
    return "flop-budget: " + ", ".join(parts)


def budget_lines(results: Sequence[Result]) -> list[str]:
    """Draw one line per budget, grouped by test file."""
    lines = []
    files = list(dict.fromkeys(TestId.parse(result.test).file for result in results))
    rows = {result.file: _row(result) for result in results}
    drawn = dict(zip(rows, aligned(list(rows.values()), "llrlrlrl", indent="  "), strict=True))
    for file in files:
        lines.append(file)
        lines += [drawn[r.file] for r in results if TestId.parse(r.test).file == file]
    return lines


def table_lines(settings: Settings, results: Sequence[Result]) -> Iterator[str]:
    """Draw the per-layer tables that were asked for."""
    for result in results:
        failed = bool(result.judgement.failing)
        if settings.table == "all" or (settings.table == "failed" and failed):
            yield ""
            yield result.title
            yield from layer_table(result.profile, settings.depth)


def outcome_lines(settings: Settings, results: Sequence[Result]) -> Iterator[str]:
    """Count the verdicts, and say what was not compared: no gate looks greener than it is."""
    verdicts = Counter(result.judgement.verdict for result in results)
    words = ", ".join(f"{verdicts[word]} {word.text}" for word in Verdict if verdicts[word])
    yield f"{counted(len(results), 'budget')}: {words}"
    yield from _ignored_lines(results)
    if settings.update:
        return
    for key, metric in METRICS.items():
        judged = [v for r in results for v in r.judgement.metrics if v.metric == key]
        skipped = [v for v in judged if v.verdict is Verdict.NOT_COMPARED]
        if skipped:
            reasons = "; ".join(dict.fromkeys(v.reason for v in skipped))
            done = len(judged) - len(skipped)
            yield f"{metric.label}: {done} of {len(judged)} compared ({reasons})"
            if any("entry" in v.reason for v in skipped):
                yield f"  to add one: pytest --update-budgets --flop-budget-metrics {key}"


def change_lines(changes: Sequence[tuple[Result, Change]], kept: Sequence[str]) -> Iterator[str]:
    """Say what an update did, and name each budget that it raised."""
    counts = Counter(change for _, change in changes)
    counts[Change.KEPT] += len(kept)
    words = [f"{counts[change]} {change.value}" for change in Change if counts[change]]
    yield "baselines: " + (", ".join(words) or "none")
    for result, change in changes:
        if change is Change.RAISED:
            yield f"  raised {result.file}: {_growth(result)}"
        elif change is not Change.UNCHANGED:
            yield f"  {change.value} {result.file}"
    for test in kept:
        yield f"  kept that of {test}, which did not pass"


def stale_lines(settings: Settings, stale: Sequence[str]) -> Iterator[str]:
    """Name the baselines whose test is gone."""
    if stale and settings.update and settings.trim:
        yield f"removed {counted(len(stale), 'stale baseline')}: {', '.join(stale)}"
    elif stale:
        yield f"{counted(len(stale), 'stale baseline')}, of tests that are gone:"
        for file in stale:
            yield f"  {file}"
        yield "  to remove: pytest --update-budgets --flop-budget-trim"


def _row(result: Result) -> tuple[str, ...]:
    cells: list[str] = [shortened(result.short_name, NAME_WIDTH), result.judgement.verdict.text]
    by_metric = {verdict.metric: verdict for verdict in result.judgement.metrics}
    for key in METRICS:
        verdict = by_metric.get(key)
        cells += ("", "") if verdict is None else _cells(verdict)
    return tuple(cells)


def _cells(verdict: MetricVerdict) -> tuple[str, str]:
    metric = METRICS[verdict.metric]
    if verdict.measured is None:
        return f"{metric.label} -", ""
    value = metric.text(verdict.measured, metric.decimals_for(verdict.measured))
    text = f"{value} {metric.unit or metric.label}"
    if verdict.baseline is None or verdict.baseline == verdict.measured:
        return text, ""
    return text, change_text(verdict.measured, verdict.baseline)


def _growth(result: Result) -> str:
    """List the relative changes of the totals against the baseline that was replaced."""
    parts = []
    for key, metric in METRICS.items():
        before = result.baseline.total.get(metric.field) if result.baseline else None
        after = getattr(result.profile, metric.field)
        if key not in result.terms.metrics or before is None or after is None:
            continue
        if before != after:
            parts.append(f"{metric.label} {change_text(after, before)}")
    return ", ".join(parts) or "some layers or latency, at the same totals"


def _ignored_lines(results: Sequence[Result]) -> Iterator[str]:
    for result in results:
        if result.ignored:
            yield f"ignored by agreement in {result.short_name}: {', '.join(result.ignored)}"
