"""Memory: the peak of the bytes that one call allocates, and what each layer has of them."""

from __future__ import annotations

import gc
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_flopbudget.measure.call_interception import intercepted_calls
from pytest_flopbudget.measure.isolation.garbage_collection import garbage_collection_off
from pytest_flopbudget.measure.layers import ROOT, Layers

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

    from pytest_flopbudget.measure.call import ModelCall
    from pytest_flopbudget.measure.memory.meter import MemoryMeter


@dataclass
class Memory:
    """Peaks of one call in bytes, beyond what was allocated when it began."""

    total_bytes: int
    layer_bytes: list[int] = field(default_factory=list)  # by layer; empty where not measured


def measure_peak(
    model: nn.Module, layers: Layers | None, call: ModelCall, meter: MemoryMeter
) -> Memory:
    """Measure the peak of one call, and those of the layers in it.

    A call before it is thrown away: what the model and the device keep from their first call on
    is no cost of a call.

    Args:
        model: what is measured.
        layers: of the model, or `None` if they do not run one by one, as in a compiled model.
        call: its inputs and mode.
        meter: tells how many bytes are allocated.
    """
    objects = call.objects()
    leaves = [tensor for tensor in (*model.parameters(), *call.tensors()) if tensor.is_leaf]

    def run() -> None:
        call.fresh().run(model)

    peaks = _Peaks(1 if layers is None else len(layers), meter)
    with garbage_collection_off():
        run()
        objects.restore()
        for leaf in leaves:
            leaf.grad = None  # each call allocates its gradients
        gc.collect()
        with (
            nullcontext() if layers is None else intercepted_calls(layers, peaks.around),
            meter.watching(),
        ):
            peaks.around(ROOT, run)()
    total = peaks.highest[ROOT]
    if layers is None:
        return Memory(total)
    of_layers = layers.totals(peaks.highest, max)  # also of those that only hold others
    return Memory(total, [total, *of_layers[ROOT + 1 :]])


@dataclass
class _Running:
    """A call of a layer that has begun and not ended."""

    before: int  # bytes alive when it began
    most: int  # so far


class _Peaks:
    """The highest peak of each layer: the bytes alive in a call beyond those when it began."""

    def __init__(self, number: int, meter: MemoryMeter) -> None:
        self.highest = [0] * number
        self._meter = meter
        self._stack: list[_Running] = []

    def around(self, layer: int, call: Callable[..., Any]) -> Callable[..., Any]:
        """Watch each call of a layer."""

        def weighed(*args: Any, **kwargs: Any) -> Any:
            self._look()
            before = self._meter.alive()
            self._stack.append(_Running(before, before))
            try:
                return call(*args, **kwargs)
            finally:
                self._end(layer)

        return weighed

    def _end(self, layer: int) -> None:
        self._look()
        ended = self._stack.pop()
        self.highest[layer] = max(self.highest[layer], ended.most - ended.before)
        if self._stack:
            self._stack[-1].most = max(self._stack[-1].most, ended.most)

    def _look(self) -> None:
        """Give what was reached since the last look to the innermost call."""
        if self._stack:
            self._stack[-1].most = max(self._stack[-1].most, self._meter.peak())
        self._meter.restart()
