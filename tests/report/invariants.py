"""What every table must meet, whatever it shows."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def assert_is_table(lines: Sequence[str], sides: str) -> None:
    """Check that `lines`, heading first, are columns that are aligned to these sides.

    No cell may have two spaces in a row, and none but the last ones may be empty.
    """
    rows = [[(m.start(), m.end()) for m in re.finditer(r"\S+(?: \S+)*", line)] for line in lines]
    for line, row in zip(lines, rows, strict=True):
        assert line == line.rstrip(), "a space at the end of a line"
        assert len(row) <= len(sides), line
    for column, side in enumerate(sides):
        edges = {row[column][side == "r"] for row in rows if len(row) > column}
        assert len(edges) <= 1, f"column {column} is not aligned: {lines}"


def assert_only_read(text: str) -> None:
    """Check that neither a terminal nor a runner of GitHub does anything but show a text."""
    lines = text.split("\n")
    assert [line for line in lines if not line.isprintable()] == []
    assert [line for line in lines if is_command(line)] == []


def is_command(line: str) -> bool:
    """Return whether a runner takes a line for a command, of either of its syntaxes.

    https://github.com/actions/runner/blob/main/src/Runner.Common/ActionCommand.cs
    """
    return bool(re.match(r"\s*::.*::", line) or re.search(r"##\w*\[[^]]*\]", line))


def assert_reads_well(lines: Sequence[str]) -> None:
    """Check what holds for every text: no tab, no space at an end, no two empty lines."""
    assert all(line == line.rstrip() for line in lines)
    assert not any("\t" in line or "\n" in line for line in lines)
    assert not any(not one and not other for one, other in pairwise(lines))
    assert not lines or (lines[0] and lines[-1])
