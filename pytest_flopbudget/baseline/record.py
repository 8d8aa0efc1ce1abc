"""A baseline as a frozen record, in base units."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

from pytest_flopbudget.profile.layer_paths import is_below
from pytest_flopbudget.profile.scaling_profile import Curve

if TYPE_CHECKING:
    from pytest_flopbudget.metrics import Figure, Metric

FORMAT = 1
LOCATION = tuple[str, ...]  # the keys that lead to a place in the file


@dataclass(frozen=True, kw_only=True)
class OwnCost:
    """What one layer costs by itself; layers that cost nothing are not stored."""

    type: str
    costs: dict[str, int]  # by the field of a profile


@dataclass(frozen=True, kw_only=True)
class EnvironmentEntry:
    """What was measured in one environment: any of the noisy metrics."""

    torch: str  # major.minor
    python: str | None  # major.minor; files of older versions lack it
    flops: int | None  # of the model that was run
    figures: dict[str, int | float]  # by the field of a profile
    layers: dict[str, float] = field(default_factory=dict)  # path: milliseconds, its total

    def value_of(self, metric: Metric) -> Fraction | None:
        """Return what is stored of a metric: exactly the decimal that the file has."""
        value = self.figures.get(metric.field)
        return None if value is None else Fraction(str(value))


@dataclass(frozen=True, kw_only=True)
class StoredScaling:
    """What a model costs at several sizes."""

    of: str  # what the sizes are sizes of
    sizes: tuple[int, ...]
    curves: dict[str, Curve]  # by metric


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """A stored profile: exact costs of the model and each layer, the rest per environment."""

    test: str
    model: str
    inputs: tuple[str, ...]
    mode: str
    engine: str
    counter: str | None = None
    torch: str = ""  # the minor version that counted traffic and operators, if any did
    state: tuple[str, ...] = ()  # as a profile has it; none in a file that does not know it
    total: dict[str, int]  # by the field of a profile
    own: dict[str, OwnCost]  # by layer path
    ignored: tuple[str, ...] = ()
    data_dependent: bool = False  # values of tensors decided about what was counted
    environments: dict[str, EnvironmentEntry] = field(default_factory=dict)  # by environment
    scaling: StoredScaling | None = None  # then `total` is of the largest size, and `own` empty
    lines: dict[LOCATION, int] = field(default_factory=dict, compare=False, repr=False)

    def total_of(self, path: str, figure: Figure) -> int:
        """Sum an exact figure over a layer and all layers below it."""
        return sum(self.own_of(below, figure) for below in self.own if is_below(below, path))

    def own_of(self, path: str, figure: Figure) -> int:
        """Return what a layer costs by itself; a layer that is not stored costs nothing."""
        return self.own[path].costs.get(figure.field, 0) if path in self.own else 0

    def line(self, *location: str) -> int | None:
        """Return the line of a key in the file, or that of the nearest key around it."""
        while location:
            if location in self.lines:
                return self.lines[location]
            location = location[:-1]
        return None
