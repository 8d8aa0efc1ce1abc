"""The report for a pull request: a table of budgets, then what changed, the worst first.

However much there is to say, it fits into what GitHub takes; what does not fit is counted.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pytest_flopbudget.escaping import named, shortened
from pytest_flopbudget.report.base_diff import increase_lines
from pytest_flopbudget.report.json import environment
from pytest_flopbudget.report.markdown.budget_table import budget_table
from pytest_flopbudget.report.markdown.sections import sections, size
from pytest_flopbudget.report.markdown.syntax import code, fenced
from pytest_flopbudget.report.ordering import worst_first
from pytest_flopbudget.report.run_summary import SUBJECT_FAILS, outcome_lines, stale_lines
from pytest_flopbudget.text_table import counted
from pytest_flopbudget.verdict.verdict import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pytest_flopbudget.report.run import Run
    from pytest_flopbudget.verdict.result import Result

COMMENT_LIMIT = 65_535  # what a comment of GitHub takes, in bytes to be on the safe side
SHOWN_ERRORS = 10
LONGEST_ERROR = 400
SHOWN_LINES = 20
CONVENTION = (
    "One multiply-add is 2 FLOPs; element-wise operators, reductions, norms and pooling are 0."
)


def markdown_text(run: Run, limit: int = COMMENT_LIMIT) -> str:
    """Write the report of a whole run in at most `limit` bytes of UTF-8."""
    results = worst_first(run.results)
    increases = [] if run.base is None else [fenced(increase_lines(run.base))]
    head = [_heading(run), *increases, *_errors(run)]
    foot = [*_notes(run), _footer(results)]
    room = limit - sum(map(size, head + foot))
    table = budget_table(results, room // 2)
    changes = sections(run.settings, results, room - size(table))
    return "\n\n".join([part for part in [*head, table, *changes, *foot] if part]) + "\n"


def _heading(run: Run) -> str:
    counts = Counter(result.judgement.verdict for result in run.results)
    parts = [f"{counts[verdict]} {verdict.text}" for verdict in Verdict if counts[verdict]]
    parts += [counted(len(run.unjudged), "error")] if run.unjudged else []
    budgets = counted(len(run.results) + len(run.unjudged), "compute budget")
    sign = "❌" if run.fails or not parts else "✅"
    skipped = f"; {counted(len(run.not_judged), 'test')} not judged" if run.not_judged else ""
    return f"### {sign} {budgets}: {', '.join(parts) or 'none judged'}{skipped}"


def _errors(run: Run) -> Iterator[str]:
    """List the calls that ended without a verdict, and what else went wrong, a line each."""
    calls = [f"{named(one.test)}: {_first_line(one.error)}" for one in run.unjudged]
    found = [*map(_first_line, run.errors), *calls]
    if found:
        yield fenced(["errors:", *found[:SHOWN_ERRORS], *_more(len(found) - SHOWN_ERRORS)])


def _first_line(error: str) -> str:
    return shortened(error.partition("\n")[0], LONGEST_ERROR)


def _notes(run: Run) -> Iterator[str]:
    """Yield what else the terminal says of the run: what was not compared, ignored, or is stale."""
    lines = [
        *(f"not judged: {named(one.test)} ({named(one.reason)})" for one in run.not_judged),
        *([f"  the skipped {SUBJECT_FAILS}"] if run.skips_fail else []),
        *list(outcome_lines(run.settings, run.results, len(run.unjudged)))[1:],
        *stale_lines(run.settings, run.stale, run.removed),
    ]
    if lines:
        yield fenced([*lines[:SHOWN_LINES], *_more(len(lines) - SHOWN_LINES, " lines")])


def _footer(results: Iterable[Result]) -> str:
    """State the convention, and what the figures were measured with and on."""
    measured = dict.fromkeys(
        r.profile.environment.text for r in results if r.profile.environment is not None
    )
    ran = environment()
    sentences = [CONVENTION, f"Measured with Python {ran['python']}, torch {ran['torch']}."]
    sentences += [f"Timed on {code(key)}." for key in list(measured)[:3]]
    return f"<sub>{' '.join(sentences)}</sub>"


def _more(number: int, noun: str = "") -> list[str]:
    return [f"... and {number} more{noun}"] if number > 0 else []
