"""Workflow commands of GitHub Actions: lines of the log that its runner acts upon.

https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_flopbudget.escaping import WorkflowCommand, visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ESCAPES = {"%": "%25", "\r": "%0D", "\n": "%0A"}
OF_PROPERTIES = {":": "%3A", ",": "%2C"}


def command(name: str, message: str = "", **properties: object) -> WorkflowCommand:
    """Write a command; a property that is `None` is left out."""
    given = ",".join(
        f"{key}={_escaped(visible(str(value)), {**ESCAPES, **OF_PROPERTIES})}"
        for key, value in properties.items()
        if value is not None
    )
    lines = "\n".join(map(visible, message.split("\n")))
    return WorkflowCommand(f"::{name}{' ' * bool(given)}{given}::{_escaped(lines, ESCAPES)}")


def group(title: str, lines: Iterable[str]) -> Iterator[str]:
    """Fold lines of the log behind a title."""
    yield command("group", title.replace("\n", " "))
    yield from map(visible, lines)
    yield command("endgroup")


def _escaped(text: str, escapes: dict[str, str]) -> str:
    return "".join(escapes.get(character, character) for character in text)
