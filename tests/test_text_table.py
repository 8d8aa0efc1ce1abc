"""Lines in aligned columns."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flopbudget.text_table import aligned, counted
from tests.report.invariants import assert_is_table
from tests.strategies import layer_profiles  # noqa: F401 - sets up Hypothesis

CELL = st.from_regex(r"[a-z0-9.,%]{1,12}", fullmatch=True)


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    rows = [("metric", "measured", "note"), ("params", "1", "x"), ("a", "1,000,000,000", "")]
    assert aligned(rows, "lrl", indent="  ") == [
        "  metric       measured  note",
        "  params              1  x",
        "  a       1,000,000,000",
    ]


def test_a_column_without_text_is_left_out() -> None:
    assert aligned([("a", "", "b"), ("cc", "", "d")], "lrr") == ["a   b", "cc  d"]


def test_nothing_is_no_line() -> None:
    assert aligned([], "lr") == []


@given(rows=st.lists(st.tuples(CELL, CELL, CELL, CELL), min_size=1, max_size=8))
@pytest.mark.parametrize("sides", ["lrlr", "rrll", "rrrr", "llll"])
def test_every_column_is_aligned(sides: str, rows: list[tuple[str, ...]]) -> None:
    lines = aligned(rows, sides)
    assert_is_table(lines, sides)
    assert [tuple(line.split()) for line in lines] == rows


@pytest.mark.parametrize("lines", [["a ", "b"], ["a  1", "bb  2"], ["a  b  c"]])
def test_the_invariant_can_fail(lines: list[str]) -> None:
    with pytest.raises(AssertionError):
        assert_is_table(lines, "lr")


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 layers"), (1, "1 layer"), (2, "2 layers"), (1000, "1,000 layers")]
)
def test_counted(number: int, text: str) -> None:
    assert counted(number, "layer") == text
