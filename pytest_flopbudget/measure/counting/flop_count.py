"""The FLOP count of one call: what ran in each layer itself, and what could not be counted."""

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
    """Where an operator ran first that is neither counted nor free, and how often it ran."""

    layer: int
    shapes: tuple[Shape, ...]
    calls: int = 0


@dataclass
class FlopCount:
    """The FLOPs of one call, with an entry for each layer: what ran in the layer itself."""

    counted_on: str  # the name of the backend
    forward: list[int]
    backward: list[int]
    module_calls: ModuleCalls
    uncounted: dict[tuple[str, int], UncountedOperator] = field(default_factory=dict)
    unused: list[str] = field(default_factory=list)  # parameters that no operator read
    written: list[torch.Tensor] = field(default_factory=list)  # that existed before the call
    data_dependent: bool = False

    def note_uncounted(self, operator: str, layer: int, given: Iterable[torch.Tensor]) -> None:
        """Note one call of an operator that is neither counted nor free."""
        noted = self.uncounted.setdefault(
            (operator, layer), UncountedOperator(layer, shapes(tuple(given)))
        )
        noted.calls += 1
