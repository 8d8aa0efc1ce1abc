"""What a layer took over from those around it and below it is no growth."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flopbudget.verdict.judge_model import judge
from pytest_flopbudget.verdict.moves import moved_into
from tests.strategies import Costs, baseline, budget_settings, profile


@pytest.mark.parametrize(
    ("growths", "moved"),
    [
        ({"a": 5}, {}),
        ({"a": -5}, {}),
        ({"": -5, "a": 5}, {"a": 5}),  # from the model into a layer
        ({"": 5, "a.b": -5}, {"": 5}),  # and back
        ({"": -3, "a": 5}, {"a": 3}),
        ({"": -7, "a": 5}, {"a": 5}),
        ({"a": -5, "b": 5}, {}),  # siblings
        ({"a.x": -5, "b": 5}, {}),
        ({"": -5, "a": -5, "a.x": 7}, {"a.x": 7}),  # 5 from `a`, the nearest, 2 from the model
        ({"": -5, "a": -5, "a.x": 5, "b": 5}, {"a.x": 5, "b": 5}),
        ({"": -5, "a": 5, "b": 5}, {"a": 5}),  # each loss once
        ({"a": 5, "a.x": -2, "a.y": -2}, {"a": 4}),
        ({"ab": -5, "a": 5}, {}),  # a name that begins alike is no layer around it
    ],
)
def test_what_moved(growths: dict[str, int], moved: dict[str, int]) -> None:
    assert moved_into({path: Fraction(n) for path, n in growths.items()}) == moved


PATHS = st.sampled_from(["", "a", "a.b", "a.b.c", "a.d", "e", "e.f"])


@given(st.dictionaries(PATHS, st.integers(-9, 9).map(Fraction)))
def test_no_more_moves_than_was_lost_or_grew(growths: dict[str, Fraction]) -> None:
    moved = moved_into(growths)
    assert all(0 < amount <= growths[path] for path, amount in moved.items())
    assert sum(moved.values()) <= -sum(growth for growth in growths.values() if growth < 0)


def failing(before: dict[str, Costs], after: dict[str, Costs]) -> list[str | None]:
    judged = judge(profile(after), baseline(before), budget_settings("gflops"))
    return [verdict.path for verdict in judged.failing]


def test_code_that_moves_into_a_child_fails_nothing() -> None:
    before = {"": ("Net", 0, 100), "head": ("Linear", 0, 50)}
    assert failing(before, {"": ("Net", 0, 70), "head": ("Linear", 0, 80)}) == []
    assert failing(before, {"": ("Net", 0, 71), "head": ("Linear", 0, 80)}) == [None, "head"]


def test_a_layer_that_is_gone_gives_what_it_had() -> None:
    before = {"head": ("Head", 0, 10), "head.conv": ("Conv2d", 0, 50)}
    assert failing(before, {"head": ("Head", 0, 60)}) == []


def test_a_sibling_gives_nothing() -> None:
    before = {"a": ("Linear", 0, 50), "b": ("Linear", 0, 50)}
    assert failing(before, {"a": ("Linear", 0, 51), "b": ("Linear", 0, 49)}) == ["a"]
