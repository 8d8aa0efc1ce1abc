"""Text to Markdown of GitHub; none of its characters is read as markup."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pytest_flopbudget.escaping import named, shortened, visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LONGEST_LINE = 300
LONGEST_COMMAND = 2000


def code(text: str) -> str:
    """Write a name as code, also within a table.

    Between backticks all but a backtick and, in a table, a pipe is literal; where there are such,
    every character that could mean something is a numeric reference, and those never do. In code
    GitHub makes no link of `@user`, `#1` or an address.
    """
    name = named(text)
    if name and name == name.strip() and not set(name) & set("`|"):
        return f"`{name}`"
    return f"<code>{re.sub(r'[^0-9A-Za-z ]', _reference, name)}</code>"


def fenced(lines: Iterable[str], language: str = "text") -> str:
    """Write lines as they are in a fixed-width block, each visible and of bounded length."""
    return _fence([shortened(visible(line), LONGEST_LINE) for line in lines], language)


def command(line: str) -> str:
    """Write a command to be copied: as it is, or not at all."""
    if line.isprintable() and len(line) <= LONGEST_COMMAND:
        return _fence([line], "sh")
    return "(It is too long to be shown, or has characters that cannot be seen.)"


def table(rows: Sequence[Sequence[str]], sides: str) -> list[str]:
    """Draw the lines of a table from Markdown cells; `sides` has an `l` or `r` for each column."""
    rule = ["--:" if side == "r" else "---" for side in sides]
    head, *rest = rows
    return [f"| {' | '.join(row)} |" for row in (head, rule, *rest)]


def folded(title: str, text: str) -> str:
    """Hide a text behind its title."""
    return f"<details><summary>{title}</summary>\n\n{text}\n\n</details>"


def _fence(lines: Sequence[str], language: str) -> str:
    runs = (run for line in lines for run in re.findall("`+", line))
    fence = "`" * max(3, 1 + max(map(len, runs), default=0))
    return "\n".join([fence + language, *lines, fence])


def _reference(match: re.Match[str]) -> str:
    return f"&#{ord(match[0])};"
