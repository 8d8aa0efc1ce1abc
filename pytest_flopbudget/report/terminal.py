"""The budgets in pytest's terminal summary: a line for each, and the layers of some."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_flopbudget.metrics import METRICS, change_text
from pytest_flopbudget.profile.layer_table import layer_table
from pytest_flopbudget.report.attribution import attribution_sections
from pytest_flopbudget.report.failure import failure_lines
from pytest_flopbudget.report.github.workflow_commands import group
from pytest_flopbudget.report.ordering import value_before
from pytest_flopbudget.report.sentences import dependence
from pytest_flopbudget.text_table import aligned
from pytest_flopbudget.verdict.stored_layers import before_of
from pytest_flopbudget.verdict.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_flopbudget.settings.run import RunSettings
    from pytest_flopbudget.verdict.result import Result
    from pytest_flopbudget.verdict.verdict import MetricVerdict

LONG_TABLE = 20  # lines from which a log is better without it


def budget_lines(results: Sequence[Result]) -> list[str]:
    """Return one line per budget, by test file; the name is last, since it may be of any length."""
    if not results:
        return []
    sides = "l" + "rl" * len(METRICS) + "l"
    heading, *rows = aligned([_heading(results), *map(_row, results)], sides, indent="  ")
    lines = [heading]
    for file in dict.fromkeys(result.test_file for result in results):
        lines.append(file)
        lines += [row for row, r in zip(rows, results, strict=True) if r.test_file == file]
    return lines


def _heading(results: Sequence[Result]) -> tuple[str, ...]:
    """Return the headings: a metric that no budget has keeps empty columns."""
    judged = {verdict.metric for r in results for verdict in r.judgement.metrics}
    labels = (m.heading if key in judged else "" for key, m in METRICS.items())
    return ("verdict", *(cell for label in labels for cell in (label, "")), "budget")


def _row(result: Result) -> tuple[str, ...]:
    by_metric = {verdict.metric: verdict for verdict in result.judgement.metrics}
    cells = (cell for key in METRICS for cell in _cells(by_metric.get(key), result))
    return (result.judgement.verdict.text, *cells, result.short_name)


def _cells(verdict: MetricVerdict | None, result: Result) -> tuple[str, str]:
    """Return a measured value, and how it changed against the baseline."""
    if verdict is None:
        return "", ""
    metric = METRICS[verdict.metric]
    value = metric.text(verdict.measured, metric.decimals_for(verdict.measured))
    before = value_before(verdict, result)
    return value, "" if before == verdict.measured else change_text(verdict.measured, before)


def table_lines(settings: RunSettings, results: Sequence[Result], width: int) -> Iterator[str]:
    """Yield per-layer tables: all in full if that was asked for, those of failures to a width."""
    every = settings.table == "all"
    for result in results:
        if every or (settings.table == "failed" and result.judgement.fails):
            table = layer_table(
                result.profile,
                settings.depth,
                width=None if every else width,
                names=settings.columns,
                before=before_of(result),
            )
            folds = settings.github and len(table) > LONG_TABLE
            yield ""
            yield from group(result.title, table) if folds else (result.title, *table)


def failure_texts(results: Sequence[Result]) -> Iterator[str]:
    """Yield what tests would have failed with, in a run that only reports."""
    for result in results:
        if result.judgement.fails:
            yield from ("", result.title, *failure_lines(result))


def improvement_lines(results: Sequence[Result]) -> Iterator[str]:
    """Yield the layers that account for an improvement, of the tests that did not fail."""
    for result in results:
        improved = {v.metric for v in result.judgement.metrics if v.verdict is Verdict.IMPROVED}
        if improved and not result.judgement.fails:
            yield ""
            yield f"{result.title}{dependence(result.profile)}"
            for section in attribution_sections(result, improved):
                yield from section
