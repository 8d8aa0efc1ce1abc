"""Polynomials with exact coefficients: found from values by divided differences, written, read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

NUMBER = r"\d{1,40}(?:\.\d{1,40}|/\d{1,40})?"
TERM = re.compile(rf"(?P<number>{NUMBER})(?: n(?:\^(?P<power>\d{{1,3}}))?)?")
TEXT = re.compile(rf"-?{NUMBER}(?: n(?:\^\d+)?)?(?: [+-] {NUMBER}(?: n(?:\^\d+)?)?)*")


@dataclass(frozen=True)
class Polynomial:
    """A polynomial in n: the coefficient of n^i at index i, the last one not 0."""

    coefficients: tuple[Fraction, ...]

    @property
    def degree(self) -> int:
        """The highest power of n; 0 for a constant."""
        return max(len(self.coefficients) - 1, 0)

    def at(self, n: int) -> Fraction:
        """Return the value at n."""
        value = Fraction(0)
        for coefficient in reversed(self.coefficients):
            value = value * n + coefficient
        return value

    def coefficient(self, power: int) -> Fraction:
        """Return the coefficient of a power of n."""
        return self.coefficients[power] if power < len(self.coefficients) else Fraction(0)

    def text(self, scale: int = 1) -> str:
        """Write it in units of `scale`, the highest power first, each coefficient exactly.

        Raises:
            ValueError: a coefficient is no finite decimal in this unit.
        """
        return self._text([_decimal(one / scale) for one in self.coefficients])

    def fractions_text(self) -> str:
        """Write it in base units, with fractions as `p/q`."""
        return self._text([str(abs(one)) for one in self.coefficients])

    def _text(self, numbers: Sequence[str]) -> str:
        text = ""
        for power, coefficient in reversed(list(enumerate(self.coefficients))):
            if not coefficient:
                continue
            sign = (" - " if text else "-") if coefficient < 0 else (" + " if text else "")
            text += f"{sign}{numbers[power]}{_power(power)}"
        return text or "0"


def parse_polynomial(text: str, scale: int = 1) -> Polynomial:
    """Read what `text` wrote.

    Raises:
        ValueError: it is no polynomial.
    """
    if not TEXT.fullmatch(text):
        raise ValueError("no polynomial")
    coefficients: dict[int, Fraction] = {}
    sign = -1 if text.startswith("-") else 1
    for part in re.split(r" ([+-]) ", text.removeprefix("-")):
        if part in ("+", "-"):
            sign = 1 if part == "+" else -1
            continue
        term = TERM.fullmatch(part)
        power = 0 if term is None or " n" not in part else int(term["power"] or 1)
        if term is None or power in coefficients or _divides_by_zero(term["number"]):
            raise ValueError("no polynomial")
        coefficients[power] = sign * Fraction(term["number"]) * scale
    highest = max(coefficients)
    return _trimmed([coefficients.get(power, Fraction(0)) for power in range(highest + 1)])


def fit(sizes: Sequence[int], values: Sequence[int | Fraction]) -> Polynomial | None:
    """Return the polynomial through all values, if its degree is at most their number less 2.

    By Newton's divided differences: one point more than the degree needs confirms it.
    """
    differences = _divided_differences(sizes, [Fraction(value) for value in values])
    if differences[-1]:
        return None
    coefficients = [Fraction(0)]
    for size, difference in zip(reversed(sizes), reversed(differences), strict=True):
        # Horner's scheme in Newton's form: times (n - size), plus the next difference.
        shifted = [Fraction(0), *coefficients]
        lowered = [size * one for one in coefficients] + [Fraction(0)]
        coefficients = [a - b for a, b in zip(shifted, lowered, strict=True)]
        coefficients[0] += difference
    return _trimmed(coefficients)


def _divided_differences(sizes: Sequence[int], values: list[Fraction]) -> list[Fraction]:
    """Return the divided differences of order 0, 1, 2, ... from the first size on."""
    found = [values[0]]
    for order in range(1, len(sizes)):
        values = [
            (after - before) / (sizes[i + order] - sizes[i])
            for i, (before, after) in enumerate(pairwise(values))
        ]
        found.append(values[0])
    return found


def _power(power: int) -> str:
    if power == 0:
        return ""
    return " n" if power == 1 else f" n^{power}"


def _divides_by_zero(number: str) -> bool:
    _, slash, below = number.partition("/")
    return bool(slash) and not int(below)


def _trimmed(coefficients: list[Fraction]) -> Polynomial:
    while coefficients and not coefficients[-1]:
        coefficients.pop()
    return Polynomial(tuple(coefficients))


def _decimal(number: Fraction) -> str:
    """Write the absolute value of a number that is a finite decimal, without an exponent."""
    whole, digits = abs(number), 0
    rest = whole.denominator
    for prime in (2, 5):
        count = 0
        while rest % prime == 0:
            rest //= prime
            count += 1
        digits = max(digits, count)
    if rest != 1:
        raise ValueError("no finite decimal")
    text = str(int(whole * 10**digits)).rjust(digits + 1, "0")
    return f"{text[:-digits]}.{text[-digits:]}" if digits else text
