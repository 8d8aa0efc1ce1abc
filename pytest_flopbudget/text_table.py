"""Lines of text in aligned columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_flopbudget.escaping import visible

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

GAP = "  "
WIDTH = 80  # that everything fits in


def aligned(
    rows: Sequence[Sequence[str]],
    sides: str,
    *,
    indent: str = "",
    width: int | None = None,
    spare: Sequence[int] = (),
) -> list[str]:
    """Align rows of cells; `sides` has an `l` or `r` for each column.

    Spaces at the end of a line and columns without any text are left out; so are, one by one,
    the `spare` columns while a line would be longer than `width`.
    """
    rows = [[visible(cell) for cell in row] for row in rows]
    used = [i for i in range(len(sides)) if any(row[i] for row in rows)]
    widths = {i: max(len(row[i]) for row in rows) for i in used}
    for column in spare:
        if width is not None and column in used and _length(used, widths, indent) > width:
            used.remove(column)
    return [
        indent + GAP.join(_cell(row[i], widths[i], sides[i]) for i in used).rstrip() for row in rows
    ]


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: `1 layer`, `2 layers`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def _length(used: Sequence[int], widths: Mapping[int, int], indent: str) -> int:
    return len(indent) + sum(widths[i] for i in used) + len(GAP) * (len(used) - 1)


def _cell(text: str, width: int, side: str) -> str:
    return text.rjust(width) if side == "r" else text.ljust(width)
