"""The summary of a run: lines of text that several reports share."""

from __future__ import annotations

import shlex
from collections import Counter
from typing import TYPE_CHECKING

from pytest_flopbudget.metrics import METRICS
from pytest_flopbudget.profile.layer_table import DATA_DEPENDENT
from pytest_flopbudget.text_table import counted
from pytest_flopbudget.verdict.limits import adding
from pytest_flopbudget.verdict.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_flopbudget.metrics import Metric
    from pytest_flopbudget.settings.run import RunSettings
    from pytest_flopbudget.verdict.result import Result
    from pytest_flopbudget.verdict.verdict import MetricVerdict


def header_lines(settings: RunSettings) -> list[str]:
    """Return the effective settings, as they are shown before the tests run."""
    budget_settings = settings.budget_settings
    tolerance = ",".join(f"{k}={float(v * 100):g}%" for k, v in budget_settings.tolerance.items())
    parts = [
        f"{'update' if settings.update else 'judge'} {','.join(budget_settings.metrics)}",
        f"engine {budget_settings.engine}",
        f"baselines in {settings.shown_directory}",
    ]
    limits = [f"tolerance {tolerance}"]
    if budget_settings.fail_on:
        limits.append(f"fail on {','.join(budget_settings.fail_on)}")
    if budget_settings.ignore_ops:
        limits.append(f"ignoring {','.join(budget_settings.ignore_ops)}")
    return [f"flop-budget: {', '.join(part)}" for part in (parts, limits)]


def outcome_lines(
    settings: RunSettings, results: Sequence[Result], errors: int = 0
) -> Iterator[str]:
    """Count the verdicts, and say what was not compared: no gate looks greener than it is."""
    counts = Counter(result.judgement.verdict for result in results)
    parts = [f"{counts[verdict]} {verdict.text}" for verdict in Verdict if counts[verdict]]
    parts += [counted(errors, "error")] if errors else []
    yield f"{counted(len(results) + errors, 'budget')}: {', '.join(parts) or 'none judged'}"
    yield from _data_dependent_lines(results)
    yield from _ignored_lines(results)
    if counts[Verdict.IMPROVED] and not settings.update:
        yield f"  to keep what improved: {_keeping_command(results)}"
    for metric in METRICS.values():
        judged = [v for r in results for v in r.judgement.metrics if v.metric == metric.key]
        yield from _not_compared_lines(settings, metric, judged)
        yield from _inconclusive_lines(settings, metric, judged)


def _data_dependent_lines(results: Sequence[Result]) -> Iterator[str]:
    named = [result.short_name for result in results if result.profile.data_dependent]
    if named:
        yield f"data dependent: {', '.join(named)} ({DATA_DEPENDENT})"


def _ignored_lines(results: Sequence[Result]) -> Iterator[str]:
    for result in results:
        if result.ignored:
            yield f"ignored by agreement in {result.short_name}: {', '.join(result.ignored)}"


def _keeping_command(results: Sequence[Result]) -> str:
    """Return the command that updates what improved, and nothing that fails."""
    if not any(result.judgement.failing for result in results):
        return "pytest --update-budgets"
    improved = [r for r in results if r.judgement.verdict is Verdict.IMPROVED]
    targets = dict.fromkeys(shlex.quote(result.update.target) for result in improved)
    return " ".join(["pytest --update-budgets", *targets])


def _not_compared_lines(
    settings: RunSettings, metric: Metric, judged: Sequence[MetricVerdict]
) -> Iterator[str]:
    """Say how many values of a metric were compared, or under an update measured, if not all."""
    skipped = [v for v in judged if v.verdict is Verdict.NOT_COMPARED]
    if settings.update:
        skipped = [v for v in skipped if v.measured is None]
    if not skipped:
        return
    verb = "measured" if settings.update else "compared"
    reasons = "; ".join(dict.fromkeys(v.reason for v in skipped))
    yield f"{metric.label}: {len(judged) - len(skipped)} of {len(judged)} {verb} ({reasons})"
    for remedy in dict.fromkeys(v.remedy for v in skipped if v.remedy):
        adds_entry = remedy == adding(metric)
        yield f"  to {'add one' if adds_entry else 'measure it again'}: pytest {remedy}"
        if adds_entry and not settings.propose:
            yield "  on a CI machine: the same run with --flop-budget-propose DIR"


def _inconclusive_lines(
    settings: RunSettings, metric: Metric, judged: Sequence[MetricVerdict]
) -> Iterator[str]:
    """Say how many values of a metric are inconclusive, and why."""
    found = [v for v in judged if v.verdict is Verdict.INCONCLUSIVE]
    if found:
        consequence = ", so not stored" if settings.update else ""
        reasons = "; ".join(dict.fromkeys(v.reason for v in found))
        count = f"{len(found)} of {len(judged)}"
        yield f"{metric.label}: {count} inconclusive{consequence} ({reasons})"


def stale_lines(
    settings: RunSettings, stale: Sequence[str], removed: Sequence[str] = ()
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
        if "stale" in settings.budget_settings.fail_on:
            yield "  they fail this run, as `--flop-budget-fail-on` asks"
