"""Names are made visible, and never endless."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flopbudget.escaping import (
    WorkflowCommand,
    encodable,
    named,
    shortened,
    visible,
    visible_lines,
)
from tests.report.invariants import assert_only_read, is_command
from tests.strategies import texts


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("features.0.conv 層", "features.0.conv 層"),
        ("a\nb\r\t", r"a\nb\r\t"),
        ("\u202eexe", r"\u202eexe"),
        ("\x1b[31m", r"\x1b[31m"),
        ("\ud800", r"\ud800"),
        ("it's \\", "it's \\"),
        ("::error::x", r"\x3a:error::x"),
        ("  ::error::x", r"  \x3a:error::x"),
        ("test_a.py::test_b", "test_a.py::test_b"),
        ("aten::mm ::error::", "aten::mm ::error::"),
        ("a ##[error]x", r"a \x23#[error]x"),
        ("###[error]x", r"#\x23#[error]x"),
        ("##vso[task.complete]", r"\x23#vso[task.complete]"),
        ("## heading", "## heading"),
    ],
)
def test_visible(text: str, seen: str) -> None:
    assert visible(text) == seen


@pytest.mark.parametrize(
    ("most", "cut"), [(10, "abcdefghij"), (9, "abcd…ghij"), (4, "ab…j"), (1, "…")]
)
def test_shortened(most: int, cut: str) -> None:
    assert shortened("abcdefghij", most) == cut


@given(texts(max_size=300))
def test_a_name_is_printable_and_bounded(text: str) -> None:
    assert named(text).isprintable()
    assert len(named(text)) <= 200


PIECES = st.sampled_from(["::", ":", "##[", "#", "error", "]", " ", "\n", "\t", "\xa0", "\x1b[31m"])


@given(st.lists(PIECES | texts(5)).map("".join))
def test_whatever_is_visible_is_only_read(text: str) -> None:
    assert_only_read(visible_lines(text))
    assert "\n" not in visible(text)
    assert visible(visible(text)) == visible(text)


@pytest.mark.parametrize(
    ("line", "acted_upon"),
    [
        ("::error::x", True),
        (" \t::error file=a,line=1::x", True),
        ("a ##[error]x", True),
        ("a ::error::x", False),
        (":error::", False),
    ],
)
def test_a_runner_acts_upon_some_lines(line: str, acted_upon: bool) -> None:
    assert is_command(line) is acted_upon


def test_a_command_that_is_meant_stays() -> None:
    assert visible(WorkflowCommand("::endgroup::")) == "::endgroup::"


@pytest.mark.parametrize(
    ("text", "held"), [("層\n", "層\n"), ("a\udc80", r"a\udc80"), ("\ud83d\ude00", r"\ud83d\ude00")]
)
def test_half_a_surrogate_pair_is_written_out(text: str, held: str) -> None:
    assert encodable(text) == held
