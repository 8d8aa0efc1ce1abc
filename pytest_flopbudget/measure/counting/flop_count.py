"""The FLOP count of one call, by layer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from pytest_flopbudget.measure.call import shapes
from pytest_flopbudget.measure.counting.module_tracker import ModuleCalls
from pytest_flopbudget.profile.shapes import Shape

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass
class UncountedOperator:
    """Where an operator ran that is neither counted nor free."""

    layer: int
    shapes: tuple[Shape, ...]
    calls: int = 0


@dataclass
class FlopCount:
    """What one call of a model cost: per layer, by index, what ran in the layer itself."""

    counted_on: str
    forward: list[int]
    backward: list[int]
    visits: ModuleCalls
    uncounted: dict[tuple[str, int], UncountedOperator] = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)  # parameters
    written: list[torch.Tensor] = field(default_factory=list)  # that existed before the call
    data_dependent: bool = False

    def note(self, operator: str, layer: int, given: Iterable[torch.Tensor]) -> None:
        """Note one call of an operator that is neither counted nor free."""
        ran = self.uncounted.setdefault(
            (operator, layer), UncountedOperator(layer, shapes(tuple(given)))
        )
        ran.calls += 1
