"""What changed, in Markdown: a section for each budget, with the layers and the command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_flopbudget.profile.layer_table import layer_table
from pytest_flopbudget.report.attribution import attribution_sections
from pytest_flopbudget.report.failure import explanation
from pytest_flopbudget.report.markdown.syntax import code, command, fenced, folded
from pytest_flopbudget.report.ordering import changed
from pytest_flopbudget.report.sentences import dependence, hint
from pytest_flopbudget.text_table import counted
from pytest_flopbudget.verdict.stored_layers import before_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_flopbudget.settings.run import RunSettings
    from pytest_flopbudget.verdict.result import Result

SHOWN_LAYERS = 50
AROUND = 100  # bytes of the line that counts the others


def sections(settings: RunSettings, results: Sequence[Result], room: int) -> Iterator[str]:
    """Yield a section for each result that changed and has room, and count the others.

    Layers that account for a change come before any per-layer table.
    """
    found = [result for result in results if result.judgement.fails or changed(result)]
    room -= AROUND
    drawn: list[str] = []
    for result in found:
        section = _section(settings, result)
        if size(section) > room:
            break
        room -= size(section)
        drawn.append(section)
    for result, section in zip(found, drawn, strict=False):
        layers = _layers(result, settings)
        fits = size(layers) <= room
        room -= size(layers) * fits
        yield f"{section}\n\n{layers}" if fits else section
    if more := len(found) - len(drawn):
        yield f"... and {counted(more, 'more budget')} that changed"


def size(text: str) -> int:
    """Count the bytes of a part, with the blank line below it."""
    return len(text.encode()) + 2


def _section(settings: RunSettings, result: Result) -> str:
    if result.judgement.fails:
        lines, todo = explanation(result), list(hint(result))
    else:
        lines = [
            line
            for section in attribution_sections(result, changed(result))
            for line in (*section, "")
        ][:-1]
        is_written = settings.update  # by this run
        todo = [] if is_written else ["to make it the baseline:", f"  {result.update.command()}"]
    commands = [line.strip() for line in todo if line.startswith(" ")]
    prose = [line for line in todo if not line.startswith(" ")]
    if not commands and prose:  # the names in it are the model's
        lines, prose = [*lines, "", *(f"hint: {line}" for line in prose)], []
    title = (
        f"#### {code(result.title)}: {result.judgement.verdict.text}{dependence(result.profile)}"
    )
    block = [fenced(lines)] if lines else []
    return "\n\n".join([title, *block, *prose, *map(command, commands)])


def _layers(result: Result, settings: RunSettings) -> str:
    table = layer_table(
        result.profile,
        settings.depth,
        most=SHOWN_LAYERS,
        names=settings.columns,
        before=before_of(result),
    )
    return folded("per layer", fenced(table))
