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

    from pytest_flopbudget.baseline.stale import StaleBaselines
    from pytest_flopbudget.metrics import Metric
    from pytest_flopbudget.settings.run import RunSettings
    from pytest_flopbudget.verdict.result import NotJudged, Result
    from pytest_flopbudget.verdict.verdict import MetricVerdict

SUBJECT_FAILS = "ones fail this run, as `--flop-budget-fail-on` asks"


def header_lines(settings: RunSettings) -> list[str]:
    """Return the effective settings, as they are shown before the tests run."""
    budget_settings = settings.budget_settings
    tolerance = ",".join(f"{k}={float(v * 100):g}%" for k, v in budget_settings.tolerance.items())
    parts = [
        f"{'update' if settings.update else 'judge'} {','.join(budget_settings.metrics)}",
        f"engine {budget_settings.engine}",
        f"baselines in {settings.shown_directory}",
    ]
    if settings.report_only:
        parts.insert(0, "report only")
    limits = [f"tolerance {tolerance}"]
    if budget_settings.fail_on:
        limits.append(f"fail on {','.join(budget_settings.fail_on)}")
    if budget_settings.ignore_ops:
        limits.append(f"ignoring {','.join(budget_settings.ignore_ops)}")
    return [f"flop-budget: {', '.join(part)}" for part in (parts, limits)]


def outcome_lines(
    settings: RunSettings,
    results: Sequence[Result],
    errors: int = 0,
    not_judged: Sequence[NotJudged] = (),
) -> Iterator[str]:
    """Count the verdicts, and say what was not compared: no gate looks greener than it is."""
    counts = Counter(result.judgement.verdict for result in results)
    parts = [f"{counts[verdict]} {verdict.text}" for verdict in Verdict if counts[verdict]]
    parts += [counted(errors, "error")] if errors else []
    budgets = counted(len(results) + errors, "budget")
    yield f"{budgets}: {', '.join(parts) or 'none judged'}{_not_judged_text(not_judged)}"
    if not_judged and "skipped" in settings.budget_settings.fail_on:
        yield f"  the skipped {SUBJECT_FAILS}"
    yield from _state_lines(results)
    yield from _data_dependent_lines(results)
    yield from _ignored_lines(results)
    if counts[Verdict.IMPROVED] and not settings.update:
        yield f"  to keep what improved: {_keeping_command(results)}"
    for metric in METRICS.values():
        judged = [v for r in results for v in r.judgement.metrics if v.metric == metric.key]
        yield from _not_compared_lines(settings, metric, judged)
        yield from _inconclusive_lines(settings, metric, judged)


def report_only_line(results: Sequence[Result]) -> str:
    """Return what a run that only reports would have failed by."""
    failing = [result for result in results if result.judgement.fails]
    counts = Counter(result.judgement.verdict for result in failing)
    parts = [
        f"{counted(counts[verdict], 'budget')} {verdict.text}"
        for verdict in Verdict
        if counts[verdict]
    ]
    return f"report only: {', '.join(parts)}, not failed" if parts else "report only: none failed"


def _not_judged_text(not_judged: Sequence[NotJudged]) -> str:
    if not not_judged:
        return ""
    reasons = "; ".join(dict.fromkeys(one.reason for one in not_judged))
    return f"; {counted(len(not_judged), 'test')} not judged (skipped: {reasons})"


def _state_lines(results: Sequence[Result]) -> Iterator[str]:
    """Name the budgets whose state changed, by the change: figures of both are compared."""
    changes = dict.fromkeys(result.judgement.state_change for result in results)
    for change in filter(None, changes):
        named = [r.short_name for r in results if r.judgement.state_change == change]
        yield f"state: {change} in {', '.join(named)}"


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
    if not any(result.judgement.fails for result in results):
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
    settings: RunSettings, found: StaleBaselines, removed: Sequence[str] = ()
) -> Iterator[str]:
    """Name the stale baselines, those of them that were removed, and those of other machines."""
    if removed:
        yield f"removed {counted(len(removed), 'stale baseline')}: {', '.join(removed)}"
    gone, unused = ([f for f in files if f not in removed] for files in (found.gone, found.unused))
    if gone:
        yield f"{counted(len(gone), 'stale baseline')}, of tests that are gone:"
        yield from (f"  {file}" for file in gone)
    if unused:
        yield f"{counted(len(unused), 'stale baseline')}, not used in this run by the test:"
        yield from (f"  {file}" for file in unused)
    if gone or unused:
        yield "  to remove: pytest --update-budgets --flop-budget-trim"
        yield "  (which updates the others as well), or delete the files"
        if "stale" in settings.budget_settings.fail_on:
            yield f"  the stale {SUBJECT_FAILS}"
    if found.not_collected:
        kept = counted(len(found.not_collected), "baseline")
        yield f"{kept} of parameters that are not collected here; if they are gone everywhere:"
        for file in found.not_collected:
            yield f"  git rm {shlex.quote(f'{settings.shown_directory}/{file}')}"
