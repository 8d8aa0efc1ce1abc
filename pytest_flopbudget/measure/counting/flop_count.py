"""The FLOP count of one call: what ran in each layer itself, and what could not be counted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from pytest_flopbudget.measure.call import shapes
from pytest_flopbudget.measure.counting.module_tracker import ModuleCalls
from pytest_flopbudget.measure.counting.traffic.layer_traffic import LayerTraffic
from pytest_flopbudget.metrics import GFLOPS, OPERATORS
from pytest_flopbudget.metrics import TRAFFIC as BYTES
from pytest_flopbudget.profile.shapes import Shape

if TYPE_CHECKING:
    from collections.abc import Iterable


FLOPS, TRAFFIC = (GFLOPS.counted,), (BYTES.counted,)
ALL = (GFLOPS.counted, BYTES.counted, OPERATORS.counted)


@dataclass
class UncountedOperator:
    """Where an operator ran first of which something is not known, and how often it ran."""

    layer: int
    shapes: tuple[Shape, ...]
    calls: int = 0
    unknown: tuple[str, ...] = FLOPS  # what is not known of it, as metrics name what they count


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
    traffic: LayerTraffic | None = None  # if it was asked for

    def note_uncounted(
        self,
        operator: str,
        layer: int,
        given: Iterable[torch.Tensor],
        unknown: tuple[str, ...] = FLOPS,
    ) -> None:
        """Note one call of an operator, and what is not known of it."""
        noted = self.uncounted.setdefault(
            (operator, layer), UncountedOperator(layer, shapes(tuple(given)), unknown=unknown)
        )
        noted.unknown = tuple(dict.fromkeys((*noted.unknown, *unknown)))
        noted.calls += 1
