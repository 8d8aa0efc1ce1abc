"""The summary of a run, in lines of text that several reports share."""

from __future__ import annotations

import shlex
from collections import Counter
from typing import TYPE_CHECKING

from pytest_flopbudget.metrics import METRICS
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
    """Tell the effective settings before the tests run."""
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
    settings: RunSettings, metric: Metric, judged: Sequence[MetricVerdict]
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
    settings: RunSettings, metric: Metric, judged: Sequence[MetricVerdict]
) -> Iterator[str]:
    """Say how many values of a metric could not be told from noise, and why."""
    doubtful = [v for v in judged if v.verdict is Verdict.INCONCLUSIVE]
    if doubtful:
        what = "inconclusive, so not stored" if settings.update else "inconclusive"
        reasons = "; ".join(dict.fromkeys(v.reason for v in doubtful))
        yield f"{metric.label}: {len(doubtful)} of {len(judged)} {what} ({reasons})"


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


def _ignored_lines(results: Sequence[Result]) -> Iterator[str]:
    for result in results:
        if result.ignored:
            yield f"ignored by agreement in {result.short_name}: {', '.join(result.ignored)}"
