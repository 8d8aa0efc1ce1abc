"""The table of budgets in Markdown: verdict, and each metric before and after."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pytest_flopbudget.metrics import METRICS, change_text
from pytest_flopbudget.report.markdown.syntax import code, table
from pytest_flopbudget.report.ordering import value_before
from pytest_flopbudget.text_table import counted
from pytest_flopbudget.verdict.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_flopbudget.metrics import Metric
    from pytest_flopbudget.verdict.result import Result
    from pytest_flopbudget.verdict.verdict import MetricVerdict

AROUND = 400  # bytes of the heading, and of the line that counts the others


def budget_table(results: Sequence[Result], room: int) -> str:
    """Return the rows that have room, and a line that counts the others by their verdicts."""
    if not results:
        return ""
    judged = {verdict.metric for result in results for verdict in result.judgement.metrics}
    metrics = [metric for key, metric in METRICS.items() if key in judged]
    head = ("verdict", "budget", *(metric.heading for metric in metrics))
    rows = (_row(result, metrics) for result in results)
    lines = table([head, *rows], "ll" + "r" * len(metrics))
    shown = _count_fitting(lines[2:], room - AROUND)
    rest = Counter(result.judgement.verdict.text for result in results[shown:])
    more = ", ".join(f"{number} {verdict}" for verdict, number in rest.items())
    last = [f"\n... and {counted(rest.total(), 'more budget')}: {more}"] if rest else []
    return "\n".join(lines[: 2 + shown] + last)


def _row(result: Result, metrics: Sequence[Metric]) -> tuple[str, ...]:
    verdicts = {verdict.metric: verdict for verdict in result.judgement.metrics}
    text = result.judgement.verdict.text
    verdict = f"❌ **{text}**" if result.judgement.fails else text
    cells = (_cell(verdicts.get(metric.key), result) for metric in metrics)
    return (verdict, code(result.title), *cells)


def _cell(verdict: MetricVerdict | None, result: Result) -> str:
    """Return before, after and change, and the verdict where there is more to say."""
    if verdict is None:
        return ""
    metric, old = METRICS[verdict.metric], value_before(verdict, result)
    fails = result.judgement.fails_by(verdict)
    if verdict.measured is None or old is None or old == verdict.measured:
        text = metric.text(verdict.measured, metric.decimals_for(verdict.measured))
        is_plain = verdict.verdict in (Verdict.WITHIN, Verdict.UNBUDGETED)
        return text if is_plain else f"{text}<br>{_strong(verdict.verdict.text, fails)}"
    was, now = metric.format_pair(old, verdict.measured)
    change = change_text(verdict.measured, old)
    if verdict.verdict is Verdict.NOT_COMPARED:
        change += f"<br>{verdict.verdict.text}"
    return f"{was} → {now}<br>{_strong(change, fails)}"


def _strong(text: str, strong: bool) -> str:
    return f"**{text}**" if strong else text


def _count_fitting(lines: Iterable[str], room: int) -> int:
    number = 0
    for line in lines:
        room -= len(line.encode()) + 1
        if room < 0:
            break
        number += 1
    return number
