"""The section in pytest's terminal summary: a line for each budget, and what the run did."""

from __future__ import annotations

import os
import shlex
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_flopbudget.baseline.update import Change
from pytest_flopbudget.comparison import adding, stored_value
from pytest_flopbudget.metrics import METRICS, change_text
from pytest_flopbudget.profile import shown_path
from pytest_flopbudget.report.causes import blamed, causes
from pytest_flopbudget.report.changes import earlier
from pytest_flopbudget.report.columns import aligned, counted
from pytest_flopbudget.report.layers import layer_table
from pytest_flopbudget.report.workflow import group
from pytest_flopbudget.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_flopbudget.metrics import Metric
    from pytest_flopbudget.result import Result
    from pytest_flopbudget.settings import Settings
    from pytest_flopbudget.verdict import MetricVerdict


LONG_TABLE = 20  # lines from which a log is better without it


def header_lines(settings: Settings) -> list[str]:
    """Tell the effective settings before the tests run."""
    terms = settings.terms
    tolerance = ",".join(f"{k}={float(v * 100):g}%" for k, v in terms.tolerance.items())
    parts = [
        f"{'update' if settings.update else 'judge'} {','.join(terms.metrics)}",
        f"engine {terms.engine}",
        f"baselines in {settings.shown_directory}",
    ]
    limits = [f"tolerance {tolerance}"]
    if terms.fail_on:
        limits.append(f"fail on {','.join(terms.fail_on)}")
    if terms.ignore_ops:
        limits.append(f"ignoring {','.join(terms.ignore_ops)}")
    return [f"flop-budget: {', '.join(part)}" for part in (parts, limits)]


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


def table_lines(settings: Settings, results: Sequence[Result], width: int) -> Iterator[str]:
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
            for section in causes(result, better):
                yield from section


def outcome_lines(settings: Settings, results: Sequence[Result], errors: int = 0) -> Iterator[str]:
    """Count the verdicts, and say what was not compared: no gate looks greener than it is."""
    verdicts = Counter(result.judgement.verdict for result in results)
    words = [f"{verdicts[word]} {word.text}" for word in Verdict if verdicts[word]]
    words += [counted(errors, "error")] if errors else []
    yield f"{counted(len(results) + errors, 'budget')}: {', '.join(words) or 'none judged'}"
    yield from _ignored_lines(results)
    if verdicts[Verdict.IMPROVED] and not settings.update:
        yield f"  to keep what improved: {_keeping_command(results)}"
    for metric in METRICS.values():
        judged = [v for r in results for v in r.judgement.metrics if v.metric == metric.key]
        yield from _not_compared_lines(settings, metric, judged)
        yield from _inconclusive_lines(settings, metric, judged)


def _keeping_command(results: Sequence[Result]) -> str:
    """Write the command that updates what improved, and nothing that another one must decide."""
    if not any(result.judgement.failing for result in results):
        return "pytest --update-budgets"
    improved = [r for r in results if r.judgement.verdict is Verdict.IMPROVED]
    targets = dict.fromkeys(shlex.quote(result.update.target) for result in improved)
    return " ".join(["pytest --update-budgets", *targets])


def _not_compared_lines(
    settings: Settings, metric: Metric, judged: Sequence[MetricVerdict]
) -> Iterator[str]:
    """Say how many values of a metric were compared (measured, by an update) if not all were."""
    skipped = [v for v in judged if v.verdict is Verdict.NOT_COMPARED]
    if settings.update:
        skipped = [v for v in skipped if v.measured is None]
    if not skipped:
        return
    did = "measured" if settings.update else "compared"
    reasons = "; ".join(dict.fromkeys(v.reason for v in skipped))
    yield f"{metric.label}: {len(judged) - len(skipped)} of {len(judged)} {did} ({reasons})"
    for remedy in dict.fromkeys(v.remedy for v in skipped):
        if remedy:
            verb = "add one" if remedy == adding(metric) else "measure it again"
            yield f"  to {verb}: pytest {remedy}"
        if remedy == adding(metric) and not settings.propose:
            yield "  on a CI machine: the same run with --flop-budget-propose DIR"


def _inconclusive_lines(
    settings: Settings, metric: Metric, judged: Sequence[MetricVerdict]
) -> Iterator[str]:
    """Say how many values of a metric could not be told from noise, and why."""
    doubtful = [v for v in judged if v.verdict is Verdict.INCONCLUSIVE]
    if doubtful:
        what = "inconclusive, so not stored" if settings.update else "inconclusive"
        reasons = "; ".join(dict.fromkeys(v.reason for v in doubtful))
        yield f"{metric.label}: {len(doubtful)} of {len(judged)} {what} ({reasons})"


def change_lines(changes: Sequence[tuple[Result, Change]], kept: Sequence[str]) -> Iterator[str]:
    """Say what an update did, and name each budget that it raised."""
    counts = Counter(change for _, change in changes)
    counts[Change.KEPT] += len(kept)
    yield f"baselines: {_counted_changes(counts)}"
    yield from _named_changes(changes)
    for test in kept:
        yield f"  kept that of {test}, which did not pass"


def proposal_lines(settings: Settings, changes: Sequence[tuple[Result, Change]]) -> Iterator[str]:
    """Say what an update would do, and how to accept what was written instead."""
    counts = Counter(change for _, change in changes)
    yield f"proposed: {_counted_changes(counts)}"
    yield from _named_changes(changes)
    if settings.propose and counts.total() > counts[Change.UNCHANGED]:
        folder, budgets = (_quoted(path) for path in (settings.propose, settings.directory))
        yield f"  to accept: cp -R {folder}/. {budgets}"


def _counted_changes(counts: Counter[Change]) -> str:
    words = [f"{counts[change]} {change.value}" for change in Change if counts[change]]
    return ", ".join(words) or "none"


def _named_changes(changes: Sequence[tuple[Result, Change]]) -> Iterator[str]:
    for result, change in changes:
        if change is Change.RAISED:
            yield f"  raised {result.file}: {_growth(result)}"
        elif change is not Change.UNCHANGED:
            yield f"  {change.value} {result.file}"


def _quoted(path: Path) -> str:
    """Write a path for the shell, from where pytest was started."""
    return shlex.quote(Path(os.path.relpath(path)).as_posix())


def stale_lines(
    settings: Settings, stale: Sequence[str], removed: Sequence[str] = ()
) -> Iterator[str]:
    """Name the baselines whose test is gone, and those of them that were removed."""
    if removed:
        yield f"removed {counted(len(removed), 'stale baseline')}: {', '.join(removed)}"
    stale = [file for file in stale if file not in removed]
    if stale:
        yield f"{counted(len(stale), 'stale baseline')}, of tests that are gone:"
        for file in stale:
            yield f"  {file}"
        yield "  to remove: pytest --update-budgets --flop-budget-trim"
        yield "  (which updates the others as well), or delete the files"
        if "stale" in settings.terms.fail_on:
            yield "  they fail this run, as `--flop-budget-fail-on` asks"


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
    for key in result.terms.metrics:
        before = stored_value(METRICS[key], result.profile, result.baseline)
        after = getattr(result.profile, METRICS[key].field)
        if before is not None and after is not None and before != after:
            parts.append(f"{METRICS[key].label} {change_text(after, before)}")
    return ", ".join(parts + _raised_layers(result)) or "some layers, at the same total"


def _raised_layers(result: Result) -> list[str]:
    """Name the layer that rose most where the total did not."""
    for key in result.terms.metrics:
        metric = METRICS[key]
        before = stored_value(metric, result.profile, result.baseline)
        after = getattr(result.profile, metric.field)
        if not metric.exact or before is None or after is None or after > before:
            continue
        for change in blamed(result, metric)[:1]:
            if change.growth > 0:
                by = metric.text(change.growth, metric.decimals_for(change.growth))
                return [f"`{shown_path(change.path)}` {metric.label} +{by}"]
    return []


def _ignored_lines(results: Sequence[Result]) -> Iterator[str]:
    for result in results:
        if result.ignored:
            yield f"ignored by agreement in {result.short_name}: {', '.join(result.ignored)}"
