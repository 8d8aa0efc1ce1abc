"""The profiles of a model at several sizes, and each metric as a polynomial of the size."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING

from pytest_flopbudget.metrics import METRICS
from pytest_flopbudget.profile.model_profile import ModelProfile
from pytest_flopbudget.profile.polynomial import Polynomial, fit

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_flopbudget.metrics import Metric


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A metric over sizes: its exact values, and the polynomial through them if there is one."""

    values: tuple[Fraction, ...]  # one for each size, in base units
    polynomial: Polynomial | None

    @classmethod
    def through(cls, sizes: Sequence[int], values: Sequence[int | Fraction]) -> Curve:
        """Return the curve of some values."""
        exact = tuple(map(Fraction, values))
        return cls(values=exact, polynomial=fit(sizes, exact))


@dataclass(frozen=True, kw_only=True)
class NewTerm:
    """A layer whose own cost has a term that the model's cost should not have."""

    metric: str
    power: int
    path: str
    type: str
    coefficient: Fraction  # in base units


@dataclass(frozen=True, kw_only=True)
class ScalingProfile:
    """What a model costs at several sizes; `profile.degree["gflops"]` is how it grows."""

    sizes: tuple[int, ...]
    profiles: tuple[ModelProfile, ...]
    of: str  # what the sizes are sizes of
    metrics: tuple[str, ...]

    @cached_property
    def curves(self) -> dict[str, Curve]:
        """Each metric that was measured at every size, as a curve."""
        values = {key: [METRICS[key].of(p) for p in self.profiles] for key in self.metrics}
        return {
            key: Curve.through(self.sizes, [Fraction(one) for one in found if one is not None])
            for key, found in values.items()
            if None not in found
        }

    @property
    def polynomial(self) -> dict[str, tuple[Fraction, ...] | None]:
        """The coefficients of each metric, that of n^i at index i, in base units."""
        return {
            key: None if curve.polynomial is None else curve.polynomial.coefficients
            for key, curve in self.curves.items()
        }

    @property
    def degree(self) -> dict[str, int | None]:
        """The degree of each metric; `None` where no polynomial goes through the values."""
        return {
            key: None if curve.polynomial is None else curve.polynomial.degree
            for key, curve in self.curves.items()
        }

    def layers_with(self, metric: Metric, power: int) -> Iterator[NewTerm]:
        """Yield the layers whose own polynomial has a term, the largest coefficient first."""
        found = []
        for layer in self.profiles[-1]:
            own = [metric.own(p[layer.path]) if layer.path in p else None for p in self.profiles]
            known = [Fraction(value) for value in own if value is not None]
            curve = fit(self.sizes, known) if len(known) == len(self.sizes) else None
            if curve is not None and (coefficient := curve.coefficient(power)):
                found.append(
                    NewTerm(
                        metric=metric.key,
                        power=power,
                        path=layer.path,
                        type=layer.type,
                        coefficient=coefficient,
                    )
                )
        yield from sorted(found, key=lambda term: -abs(term.coefficient))
