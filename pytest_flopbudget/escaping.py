"""Makes texts from models, tests and files safe to be shown: no line does anything but be read.

All that is printed passes `visible`: tables, sentences, failures, errors. A control character would
move a cursor, and some lines of a log are commands to the program that runs it.
"""

from __future__ import annotations

import re

MAX_LENGTH = 200  # characters of a name
# The runner of GitHub acts upon a line that begins with `::`, also after spaces, and upon `##[`
# anywhere; `##vso[` and `##teamcity[` are those of others.
COMMANDS = (re.compile(r"^( *):(?=:)"), r"\1\\x3a"), (re.compile(r"#(?=#\w*\[)"), r"\\x23")


class WorkflowCommand(str):
    """A line that is meant as a command to a runner: all that was put into it is escaped."""

    __slots__ = ()


def visible(text: str) -> str:
    r"""Return a text as one line that is safe to be printed.

    What cannot be seen - control, format, line characters - is written as `\n`, and what a runner
    would take for a command as `\x3a:`. Of a text that is visible nothing is changed.
    """
    if isinstance(text, WorkflowCommand):
        return text
    if not text.isprintable():
        text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    for pattern, harmless in COMMANDS:
        text = pattern.sub(harmless, text)
    return text


def visible_lines(text: str) -> str:
    """Return a text of several lines, each of them visible."""
    return "\n".join(map(visible, text.split("\n")))


def encodable(text: str) -> str:
    r"""Return a text that UTF-8 can hold: half of a surrogate pair is written as `\ud800`."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def shortened(text: str, limit: int = MAX_LENGTH) -> str:
    """Return a text cut in its middle, so that beginning and end still tell what it is."""
    if len(text) <= limit:
        return text
    kept = limit - 1
    return f"{text[: kept - kept // 2]}…{text[len(text) - kept // 2 :]}"


def named(text: str, limit: int = MAX_LENGTH) -> str:
    """Return a name that is safe to be shown: all of it visible, and of a limited length."""
    return shortened(visible(text), limit)
