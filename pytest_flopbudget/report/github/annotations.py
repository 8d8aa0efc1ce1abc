"""Annotations of GitHub Actions: messages at lines of files, shown in the diff."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pytest_flopbudget.baseline.reader import read
from pytest_flopbudget.errors import BaselineError
from pytest_flopbudget.escaping import shortened
from pytest_flopbudget.report.base_diff import (
    VERB_PHRASES,
    increase_text,
    largest_first,
    short_name,
)
from pytest_flopbudget.report.github.workflow_commands import command
from pytest_flopbudget.report.ordering import worst_first
from pytest_flopbudget.report.sentences import hint, sentence
from pytest_flopbudget.text_table import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_flopbudget.base_commit.comparison import BaseComparison
    from pytest_flopbudget.report.run import Run
    from pytest_flopbudget.verdict.result import Result, Unjudged

SHOWN = 9  # GitHub shows ten annotations of a kind per step: these, and one that counts the others
LONGEST = 1000  # characters of a message


class Annotation(NamedTuple):
    """A message at a line of a file."""

    title: str
    message: str
    file: Path | None
    line: int | None


def annotation_lines(run: Run, *, failures: bool = True) -> Iterator[str]:
    """Yield the commands that annotate what failed, the worst first, states and what was raised.

    `failures` is `False` where another plugin annotates failing tests already.
    """
    if failures:
        failing = [result for result in run.results if result.judgement.fails]
        errors = [Annotation("flop budgets", error, None, None) for error in run.errors]
        errors += [_error(one, run) for one in run.unjudged]
        found = [_failure(result, run) for result in worst_first(failing)]
        if run.settings.spares_verdicts:
            yield from _commands("error", errors, "more errors")
            yield from _commands("warning", found, "more budgets would have failed")
        else:
            yield from _commands("error", [*errors, *found], "more budgets failed")
    changed = [result for result in run.results if result.judgement.state_change]
    states = [_state(result, run) for result in changed if not result.judgement.fails]
    yield from _commands("warning", states, "more models changed their state")
    if run.base is not None:
        yield from _commands("warning", _increases(run.base, run), "more budgets are raised")


def _commands(level: str, found: list[Annotation], more: str) -> Iterator[str]:
    for one in found[:SHOWN]:
        message = shortened(one.message, LONGEST)
        file = None if one.file is None else _in_workspace(one.file)
        line = None if file is None else one.line
        yield command(level, message, file=file, line=line, title=shortened(one.title))
    if len(found) > SHOWN:
        yield command(level, f"and {len(found) - SHOWN} {more}", title="flop budgets")


def _failure(result: Result, run: Run) -> Annotation:
    title = f"flop budget {result.judgement.verdict.text}: {result.short_name}"
    message = "\n".join([sentence(result), *hint(result)])
    if result.baseline is None:
        return Annotation(title, message, *_place(result.test, run))
    file = run.settings.directory / result.path
    with suppress(BaselineError):  # the lines of a file do not travel with what a worker read
        if (baseline := read(file, result.file)) is not None:
            return Annotation(title, message, file, result.line_in(baseline))
    return Annotation(title, message, file, None)


def _state(result: Result, run: Run) -> Annotation:
    title = f"flop budget {result.judgement.verdict.text}: {result.short_name}"
    return Annotation(title, f"state: {result.judgement.state_change}", *_place(result.test, run))


def _error(one: Unjudged, run: Run) -> Annotation:
    return Annotation("flop budget: error", one.error, *_place(one.test, run))


def _place(test: str, run: Run) -> tuple[Path, int | None]:
    """Return the file and line of a test."""
    file, line = run.places.get(test, (test.partition("::")[0], None))
    return run.settings.root / file, line


def _increases(base: BaseComparison, run: Run) -> list[Annotation]:
    """Make one annotation per budget, on the first line that allows more."""
    by_file: dict[str, list[str]] = {}
    lines: dict[str, int | None] = {}
    for increase in largest_first(base.increases):
        lines.setdefault(increase.file, increase.line)
        subject = f"{VERB_PHRASES[increase.kind]} {short_name(increase.file)}"
        message = f"{subject} {increase_text(increase)}".strip()
        by_file.setdefault(increase.file, []).append(message)
    return [
        Annotation(
            f"flop budget: {counted(len(messages), 'change')} against {base.ref}",
            "\n".join(messages),
            run.settings.directory / file,
            lines[file],
        )
        for file, messages in by_file.items()
    ]


def _in_workspace(file: Path) -> str | None:
    """Return a file relative to the checkout, as annotations need it; `None` if it is outside.

    One that is a symbolic link stands for itself: that is what the checkout has.
    """
    workspace = Path(os.environ.get("GITHUB_WORKSPACE") or ".").resolve()
    try:
        return (file.parent.resolve() / file.name).relative_to(workspace).as_posix()
    except ValueError:
        return None
