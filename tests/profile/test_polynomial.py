"""Polynomials by divided differences: exact for any sizes, and only if one point confirms them."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_flopbudget.profile.polynomial import Polynomial, fit, parse_polynomial

coefficients = st.lists(st.fractions(max_denominator=1000), max_size=5)
polynomials = coefficients.map(lambda found: Polynomial(_trimmed(found)))
sizes = st.lists(st.integers(1, 10**6), min_size=2, max_size=8, unique=True)


def _trimmed(found: list[Fraction]) -> tuple[Fraction, ...]:
    while found and not found[-1]:
        found = found[:-1]
    return tuple(found)


@given(polynomials, sizes)
def test_a_polynomial_is_found_from_its_values_if_one_more_confirms_it(
    polynomial: Polynomial, sizes: list[int]
) -> None:
    found = fit(sizes, [polynomial.at(size) for size in sizes])
    if len(sizes) >= polynomial.degree + 2:
        assert found == polynomial
    elif found is not None:
        assert found.degree <= len(sizes) - 2


@given(sizes, st.data())
def test_what_is_found_goes_through_every_value(sizes: list[int], data: st.DataObject) -> None:
    values = [data.draw(st.integers(0, 100)) for _ in sizes]
    found = fit(sizes, values)
    if found is not None:
        assert [found.at(size) for size in sizes] == values


@given(polynomials)
def test_fractions_are_read_as_they_are_written(polynomial: Polynomial) -> None:
    assert parse_polynomial(polynomial.fractions_text()) == polynomial


@given(st.lists(st.integers(-(10**12), 10**12), max_size=5))
def test_decimals_are_read_as_they_are_written(found: list[int]) -> None:
    polynomial = Polynomial(_trimmed([Fraction(one) for one in found]))
    assert parse_polynomial(polynomial.text(10**9), 10**9) == polynomial


@pytest.mark.parametrize(
    ("found", "text"),
    [
        ([], "0"),
        ([7], "7"),
        ([0, 1], "1 n"),
        ([0, 4_968_448, 4096], "0.000004096 n^2 + 0.004968448 n"),
        ([-3, 0, 5], "0.000000005 n^2 - 0.000000003"),
        ([0, -1], "-0.000000001 n"),
    ],
)
def test_how_it_is_written(found: list[int], text: str) -> None:
    scale = 10**9 if "0." in text else 1
    assert Polynomial(tuple(map(Fraction, found))).text(scale) == text


def test_a_third_has_no_decimals() -> None:
    third = Polynomial((Fraction(0), Fraction(1, 3)))
    with pytest.raises(ValueError, match="no finite decimal"):
        third.text()
    assert third.fractions_text() == "1/3 n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "n",
        "1 n^",
        "1 n + 2 n",
        "1/0 n",
        "1/00",
        "1 n +",
        "1e3",
        "+1",
        "1  n",
        "nan",
        "1 n^9999",
    ],
)
def test_what_is_no_polynomial(text: str) -> None:
    with pytest.raises(ValueError, match="no polynomial"):
        parse_polynomial(text)


def test_steps_are_no_polynomial() -> None:
    assert fit([1, 2, 3, 4, 5], [64, 64, 64, 128, 128]) is None
