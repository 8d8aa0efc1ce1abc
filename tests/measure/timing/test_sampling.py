"""How many rounds are enough and what they say: tables of boundaries, and laws."""

from __future__ import annotations

from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flopbudget.measure.timing.sampling import (
    CLOSE,
    CONFIRMED_FROM,
    DECIDED_BY,
    ENOUGH_ROUNDS,
    MOST_ROUNDS,
    RANK,
    SETTLED_BY,
    SETTLED_FROM,
    Round,
    Sample,
    is_enough,
    unreliable_reason,
)

LIMIT_NS = 10e9
TIMES = st.lists(st.integers(1, 10**9), min_size=1, max_size=60)


def sample(*times_ns: int, waited_ns: int = 0) -> Sample:
    found = Sample()
    for time_ns in times_ns:
        found.add(Round(time_ns, waited_ns=waited_ns))
    return found


# The value.


@pytest.mark.parametrize(
    ("times", "value"),
    [
        ([7], 7),
        ([7, 3], 7),
        ([7, 3, 5], 7),
        ([7, 3, 5, 4], 5),
        ([100, 100, 100, 4, 5, 6, 7], 6),
    ],
)
def test_the_value_is_the_third_fastest_round(times: list[int], value: int) -> None:
    assert sample(*times).value_ns == value


def test_forward_and_backward_are_of_the_representative_round() -> None:
    found = Sample()
    for forward, backward in [(9, 1), (4, 4), (1, 8), (2, 5)]:
        found.add(Round(forward, backward))
    assert (found.representative.forward_ns, found.representative.backward_ns) == (1, 8)
    assert found.value_ns == 9


@given(TIMES)
def test_the_value_does_not_depend_on_the_order(times: list[int]) -> None:
    assert sample(*times).value_ns == sample(*sorted(times)).value_ns
    assert sample(*times).value_ns == sorted(times)[:RANK][-1]
    assert sample(*times).median_ns == median(times)


@given(TIMES.filter(lambda times: len(times) >= RANK), st.integers(1, 10**9))
def test_a_slow_round_never_raises_the_value_of_enough(times: list[int], more: int) -> None:
    before = sample(*times)
    assert sample(*times, max(times) + more).value_ns == before.value_ns
    assert sample(*times, more).value_ns <= before.value_ns


@pytest.mark.parametrize(("times", "spread"), [([5], 0), ([1, 2, 3], 2), ([5, 5, 5, 5], 0)])
def test_the_spread_is_between_the_quartiles(times: list[int], spread: float) -> None:
    assert sample(*times).spread_ns == spread


@pytest.mark.parametrize(("waited", "uncontended"), [(0, True), (20, True), (21, False)])
def test_a_round_that_waited_for_two_percent_of_it_is_uncontended(
    waited: int, *, uncontended: bool
) -> None:
    assert Round(600, 400, waited).uncontended is uncontended
    assert sample(1000, 1000, waited_ns=waited).uncontended == 2 * uncontended


# When there are enough.

OVER = 1 + CLOSE
ENOUGH = [
    # rounds of 100 ns, budget, share of the limit, judged only: is it enough?
    (ENOUGH_ROUNDS, 100, 0, True),  # exactly within
    (ENOUGH_ROUNDS - 1, 100, 0, False),
    (1, 100, DECIDED_BY, True),  # there is no more time
    (1, 1, DECIDED_BY, True),
    (1, 1, DECIDED_BY - 0.001, False),
    (100, 99, CONFIRMED_FROM, False),  # over by little: it may still come down
    (100, 99, DECIDED_BY, True),
    (100, 95, CONFIRMED_FROM, True),  # over by more than 5 %
    (100, 95, CONFIRMED_FROM - 0.001, False),
    (RANK - 1, 95, CONFIRMED_FROM, False),  # too few
]


@pytest.mark.parametrize(("rounds", "budget", "spent", "enough"), ENOUGH)
def test_when_a_budget_is_judged(rounds: int, budget: int, spent: float, *, enough: bool) -> None:
    assert is_enough(sample(*[100] * rounds), budget, spent, may_be_stored=False) is enough


def test_what_is_over_its_budget_needs_uncontended_rounds() -> None:
    busy = sample(*[100] * 48, waited_ns=50)
    for _ in range(15):
        busy.add(Round(100))
    assert not is_enough(busy, 50, CONFIRMED_FROM, may_be_stored=False)
    assert (
        unreliable_reason(busy, LIMIT_NS)
        == "the machine was busy: 15 of 63 rounds were uncontended"
    )
    busy.add(Round(100))  # a quarter of all
    assert is_enough(busy, 50, CONFIRMED_FROM, may_be_stored=False)
    assert unreliable_reason(busy, LIMIT_NS) == ""


STEADY = [100] * 2 * ENOUGH_ROUNDS
FALLING = [100] * ENOUGH_ROUNDS + [98] * ENOUGH_ROUNDS
STORED = [
    (STEADY, SETTLED_FROM, True),
    (STEADY, SETTLED_FROM - 0.001, False),
    (STEADY[1:], SETTLED_FROM, False),
    (FALLING, SETTLED_FROM, False),  # the second half is faster by 2 %
    (FALLING, SETTLED_BY, True),
    (FALLING, SETTLED_BY - 0.001, False),
]


@pytest.mark.parametrize("budget", [None, 1000])
@pytest.mark.parametrize(("times", "spent", "enough"), STORED)
def test_what_may_be_stored_must_be_settled(
    times: list[int], spent: float, budget: int | None, *, enough: bool
) -> None:
    assert is_enough(sample(*times), budget, spent, may_be_stored=True) is enough


def test_what_may_be_stored_needs_uncontended_rounds() -> None:
    busy = sample(*STEADY, waited_ns=50)
    assert not is_enough(busy, None, SETTLED_BY, may_be_stored=True)
    assert is_enough(busy, None, DECIDED_BY, may_be_stored=True)


@given(times=TIMES, budget=st.integers(1, 10**9), spent=st.floats(0, 1), stored=st.booleans())
def test_whatever_happens_there_is_an_end(
    times: list[int], budget: int, spent: float, *, stored: bool
) -> None:
    found = sample(*times)
    assert is_enough(found, budget, DECIDED_BY, may_be_stored=stored)
    if is_enough(found, budget, spent, may_be_stored=stored):  # then also later
        assert is_enough(found, budget, min(1, spent + 0.1), may_be_stored=stored)


# What is not to be believed.


def test_uncontended_rounds_are_believed() -> None:
    assert unreliable_reason(sample(*[5] * RANK), LIMIT_NS) == ""


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (
            sample(round(12.34e9)),
            "one call takes 12.3 s, longer than the time limit of 10 s",
        ),
        (
            sample(4 * 10**9, 4 * 10**9),
            "no more than 2 of 3 rounds fit into the time limit of 10 s",
        ),
        (
            sample(*[100] * 40, waited_ns=3),
            "the machine was busy: 0 of 40 rounds were uncontended",
        ),
    ],
)
def test_why_a_value_is_not_believed(found: Sample, reason: str) -> None:
    assert unreliable_reason(found, LIMIT_NS) == reason


@pytest.mark.parametrize(("rounds", "enough"), [(MOST_ROUNDS - 1, False), (MOST_ROUNDS, True)])
def test_rounds_have_a_bound_in_number(rounds: int, *, enough: bool) -> None:
    """As of a model so small that no limit of time would bound them."""
    found = sample(2, 2, 2)
    found.rounds *= rounds // 3 + 1
    del found.rounds[rounds:]
    assert is_enough(found, 1.0, 0.01, may_be_stored=True) is enough
