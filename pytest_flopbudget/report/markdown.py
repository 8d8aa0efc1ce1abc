"""The report for a pull request: a table of budgets, then what changed, the worst first.

However much there is to say, it fits into what GitHub takes; what does not fit is counted.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pytest_flopbudget.metrics import METRICS, change_text
from pytest_flopbudget.report.causes import causes
from pytest_flopbudget.report.changes import changed, earlier, worst_first
from pytest_flopbudget.report.columns import counted
from pytest_flopbudget.report.failure import explanation, hint, pair
from pytest_flopbudget.report.json import environment
from pytest_flopbudget.report.layers import layer_table
from pytest_flopbudget.report.marks import code, command, fenced, folded, table
from pytest_flopbudget.report.raises import raise_lines
from pytest_flopbudget.report.terminal import outcome_lines, stale_lines
from pytest_flopbudget.text import named, shortened
from pytest_flopbudget.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_flopbudget.metrics import Metric
    from pytest_flopbudget.result import Result, Run, Unjudged
    from pytest_flopbudget.verdict import MetricVerdict

COMMENT_LIMIT = 65_535  # what a comment of GitHub takes, in bytes to be on the safe side
SHOWN_ERRORS = 10
SHOWN_LINES = 20
SHOWN_LAYERS = 50
CONVENTION = (
    "One multiply-add is 2 FLOPs; element-wise operators, reductions, norms and pooling are 0."
)


def markdown_text(run: Run, limit: int = COMMENT_LIMIT) -> str:
    """Write the report of a whole run in at most `limit` bytes of UTF-8."""
    results = worst_first(run.results)
    raised = [] if run.base is None else [fenced(raise_lines(run.base))]
    head = [_heading(run), *raised, *_errors(run.unjudged)]
    foot = [*_notes(run), _footer(results)]
    room = limit - sum(map(_size, head + foot))
    rows = _table(results, room // 2)
    room -= _size(rows)
    sections = _fitting([r for r in results if _changed(r)], run.settings.depth, room)
    return "\n\n".join([part for part in [*head, rows, *sections, *foot] if part]) + "\n"


def _size(text: str) -> int:
    """Count the bytes of a part, with the blank line below it."""
    return len(text.encode()) + 2


# --- the table ---


def _heading(run: Run) -> str:
    words = Counter(result.judgement.verdict for result in run.results)
    said = [f"{words[word]} {word.text}" for word in Verdict if words[word]]
    said += [counted(len(run.unjudged), "error")] if run.unjudged else []
    failing = any(r.judgement.failing for r in run.results) or run.unjudged
    budgets = counted(len(run.results) + len(run.unjudged), "compute budget")
    return (
        f"### {'❌' if failing or not said else '✅'} {budgets}: {', '.join(said) or 'none judged'}"
    )


def _table(results: Sequence[Result], room: int) -> str:
    """Draw the rows that have room, and count the others by their verdicts."""
    if not results:
        return ""
    judged = {verdict.metric for result in results for verdict in result.judgement.metrics}
    metrics = [metric for key, metric in METRICS.items() if key in judged]
    head = ("verdict", "budget", *(metric.heading for metric in metrics))
    rows = (_row(result, metrics) for result in results)
    lines = table([head, *rows], "ll" + "r" * len(metrics))
    room -= 400  # for the heading and the line that counts the others
    shown = _count_fitting(lines[2:], room)
    rest = Counter(result.judgement.verdict.text for result in results[shown:])
    more = ", ".join(f"{number} {word}" for word, number in rest.items())
    said = [f"\n... and {counted(rest.total(), 'more budget')}: {more}"] if rest else []
    return "\n".join(lines[: 2 + shown] + said)


def _row(result: Result, metrics: Sequence[Metric]) -> tuple[str, ...]:
    verdicts = {verdict.metric: verdict for verdict in result.judgement.metrics}
    word = result.judgement.verdict.text
    mark = f"❌ **{word}**" if result.judgement.failing else word
    cells = (_cell(verdicts.get(metric.key), result) for metric in metrics)
    return (mark, code(result.title), *cells)


def _cell(verdict: MetricVerdict | None, result: Result) -> str:
    """Write before, after and change; what was not compared says so."""
    if verdict is None:
        return ""
    metric, old = METRICS[verdict.metric], earlier(verdict, result)
    fails = result.judgement.fails_by(verdict)
    if verdict.measured is None or old is None or old == verdict.measured:
        text = metric.text(verdict.measured, metric.decimals_for(verdict.measured))
        silent = verdict.verdict in (Verdict.WITHIN, Verdict.UNBUDGETED)
        return text if silent else f"{text}<br>{_strong(verdict.verdict.text, fails)}"
    was, now = pair(metric, old, verdict.measured)
    said = change_text(verdict.measured, old)
    if verdict.verdict is Verdict.NOT_COMPARED:
        said += f"<br>{verdict.verdict.text}"
    return f"{was} → {now}<br>{_strong(said, fails)}"


def _strong(text: str, strong: bool) -> str:
    return f"**{text}**" if strong else text


# --- what changed ---


def _changed(result: Result) -> bool:
    return bool(result.judgement.failing or changed(result))


def _fitting(results: Sequence[Result], depth: int, room: int) -> Iterator[str]:
    """Yield a section for each result that has room, and count the others.

    Layers that account for a change come before any per-layer table.
    """
    room -= 100  # for the line that counts the others
    sections = []
    for result in results:
        sections.append(_section(result))
        room -= _size(sections[-1])
        if room < 0:
            room += _size(sections.pop())
            break
    for index, section in enumerate(sections):
        layers = _layers(results[index], depth)
        if _size(layers) <= room:
            room -= _size(layers)
            yield f"{section}\n\n{layers}"
        else:
            yield section
    if more := len(results) - len(sections):
        yield f"... and {counted(more, 'more budget')} that changed"


def _section(result: Result) -> str:
    if result.judgement.failing:
        said, todo = explanation(result), list(hint(result))
    else:
        said = [line for section in causes(result, changed(result)) for line in (*section, "")][:-1]
        todo = ["to keep it:", f"  {result.update.command()}"]
    commands = [line.strip() for line in todo if line.startswith(" ")]
    prose = [line for line in todo if not line.startswith(" ")]
    if not commands:  # the names in it are the model's
        said, prose = [*said, "", *(f"hint: {line}" for line in prose)], []
    title = f"#### {code(result.title)}: {result.judgement.verdict.text}"
    return "\n\n".join([title, fenced(said), *prose, *map(command, commands)])


def _layers(result: Result, depth: int) -> str:
    return folded("per layer", fenced(layer_table(result.profile, depth, most=SHOWN_LAYERS)))


# --- around it ---


def _errors(unjudged: Sequence[Unjudged]) -> Iterator[str]:
    """List the calls that came to no verdict, each with the first line of what went wrong."""
    if unjudged:
        lines = [
            f"{named(one.test)}: {shortened(one.error.partition(chr(10))[0], 400)}"
            for one in unjudged[:SHOWN_ERRORS]
        ]
        yield fenced(["errors:", *lines, *_more(len(unjudged) - SHOWN_ERRORS)])


def _notes(run: Run) -> Iterator[str]:
    """Say what else the terminal says of the run: what was not compared, ignored, or is stale."""
    said = [
        *list(outcome_lines(run.settings, run.results, len(run.unjudged)))[1:],
        *stale_lines(run.settings, run.stale),
    ]
    if said:
        yield fenced([*said[:SHOWN_LINES], *_more(len(said) - SHOWN_LINES, " lines")])


def _footer(results: Iterable[Result]) -> str:
    """State the convention, and what the figures were measured with and on."""
    measured = dict.fromkeys(
        f"{r.profile.environment.key}, torch {r.profile.environment.torch}"
        for r in results
        if r.profile.environment is not None
    )
    ran = environment()
    said = [CONVENTION, f"Measured with Python {ran['python']}, torch {ran['torch']}."]
    said += [f"Timed on {code(key)}." for key in list(measured)[:3]]
    return f"<sub>{' '.join(said)}</sub>"


def _more(number: int, noun: str = "") -> list[str]:
    return [f"... and {number} more{noun}"] if number > 0 else []


def _count_fitting(lines: Iterable[str], room: int) -> int:
    number = 0
    for line in lines:
        room -= len(line.encode()) + 1
        if room < 0:
            break
        number += 1
    return number
