"""Which budgets a change raises: a pure function of two states of the budget folder."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flopbudget.base_commit.increases import Increase, IncreaseKind, find_increases
from pytest_flopbudget.baseline.record import Baseline
from tests.strategies import ENVIRONMENT, NET, as_read, baseline, baselines, entry, with_entry

FILE = "net.yaml"
WIDER = {**NET, "head": ("Linear", 701, 70_000_001)}
SHIFTED = {**NET, "head": ("Linear", 690, 70_000_000), "stem": ("Conv2d", 110, 10_000_000)}


def found(old: Baseline | None, new: Baseline | None) -> list[Increase]:
    then, now = ({} if state is None else {FILE: as_read(state)} for state in (old, new))
    return find_increases(then, now)


def words(old: Baseline | None, new: Baseline | None) -> list[tuple[object, ...]]:
    return [(c.kind.value, c.metric, c.where, c.before, c.after) for c in found(old, new)]


def test_totals_that_rise_are_raised() -> None:
    assert words(baseline(), baseline(WIDER)) == [
        ("raised", "params", "", 1000, 1001),
        ("raised", "gflops", "", 100_000_000, 100_000_001),
    ]
    assert words(baseline(WIDER), baseline()) == []


def test_a_layer_that_rises_at_the_same_total_is_raised() -> None:
    assert words(baseline(), baseline(SHIFTED)) == [("raised", "params", "stem", 100, 110)]
    assert found(baseline(), baseline(SHIFTED))[0].in_layer


def test_a_raise_stands_on_a_line_of_the_new_file() -> None:
    assert [change.line for change in found(baseline(), baseline(WIDER))] == [9, 9]
    assert [change.line for change in found(baseline(), baseline(SHIFTED))] == [11]
    assert [change.line for change in found(with_entry(100), with_entry(101))] == [19]


@pytest.mark.parametrize(("before", "after", "count"), [(100, 100.1, 1), (100, 100, 0), (9, 8, 0)])
def test_latency_is_compared_per_environment(before: float, after: float, count: int) -> None:
    expected = ("raised", "latency", ENVIRONMENT.key, before, Fraction(str(after)))
    assert words(with_entry(before), with_entry(after)) == [expected] * count


def test_a_removed_environment_is_one_less() -> None:
    assert words(with_entry(), baseline()) == [("environment", None, ENVIRONMENT.key, None, None)]
    other = baseline(environments={"cuda, H100": entry()})
    assert len(words(with_entry(), other)) == 1
    assert words(baseline(), with_entry()) == []


def test_memory_is_compared_per_environment() -> None:
    before, after = (with_entry(memory_bytes=number) for number in (1_000_000, 1_500_000))
    assert words(before, after) == [("raised", "memory", ENVIRONMENT.key, 1_000_000, 1_500_000)]
    assert words(after, before) == []


def test_a_deleted_budget() -> None:
    assert words(baseline(), None) == [("deleted", None, "", None, None)]
    assert words(None, baseline()) == []


def test_a_budget_that_only_moved_is_no_change() -> None:
    renamed = as_read(baseline(test="tests/test_net.py::test_other"))
    assert find_increases({FILE: as_read(baseline())}, {"other.yaml": renamed}) == []
    grown = as_read(replace(baseline(WIDER), test=renamed.test))
    (change,) = find_increases({FILE: as_read(baseline())}, {"other.yaml": grown})
    assert change.kind is IncreaseKind.DELETED


def test_a_metric_that_is_not_limited_any_more() -> None:
    one = baseline({"fc": ("Linear", 5, 0)}, total={"params": 5})
    one = replace(one, own={p: replace(o, costs={"params": 5}) for p, o in one.own.items()})
    assert words(baseline({"fc": ("Linear", 5, 0)}), one) == [
        ("unlimited", "gflops", "", None, None)
    ]


def test_newly_ignored_operators() -> None:
    old, new = baseline(ignored=("a::a",)), baseline(ignored=("a::a", "b::b"))
    assert words(old, new) == [("ignored", None, "b::b", None, None)]
    assert words(new, old) == []


@pytest.mark.parametrize(
    "change",
    [{"inputs": ("float32[1, 3, 9, 9]",)}, {"mode": "training"}, {"engine": "thop"}],
)
def test_what_measures_something_else_is_not_compared(change: dict[str, object]) -> None:
    (what,) = change
    assert words(baseline(), baseline(WIDER, **change)) == [
        ("incomparable", None, what, None, None)
    ]


@given(st.dictionaries(st.sampled_from("abc"), baselines()))
def test_nothing_is_raised_by_no_change(state: dict[str, Baseline]) -> None:
    assert find_increases(state, state) == []


@given(*[st.dictionaries(st.sampled_from("abc"), baselines())] * 2)
def test_the_files_are_those_of_before(
    before: dict[str, Baseline], after: dict[str, Baseline]
) -> None:
    assert {change.file for change in find_increases(before, after)} <= before.keys()
