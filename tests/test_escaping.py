"""Names are made visible, and never endless."""

import pytest
from hypothesis import given

from pytest_flopbudget.escaping import named, shortened, visible
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
