"""Memory: the peak of the bytes that one call allocates, and the peaks of its layers."""

from __future__ import annotations

import gc
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_flopbudget.measure.call_interception import intercepted_calls
from pytest_flopbudget.measure.isolation.global_flags import garbage_collection_off
from pytest_flopbudget.measure.isolation.model_state import SavedState
from pytest_flopbudget.measure.layers import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import torch

    from pytest_flopbudget.measure.memory.meter import MemoryMeter
    from pytest_flopbudget.measure.profiled_call import ProfiledCall


@dataclass
class Memory:
    """Peaks of one call in bytes, beyond what was allocated when it began."""

    total_bytes: int
    layer_bytes: list[int] = field(default_factory=list)  # by layer; empty where not measured


def measure_peak(profiled: ProfiledCall, meter: MemoryMeter) -> Memory:
    """Measure the peak of one call, and those of its layers if they are called one by one.

    A call before it is thrown away: what the model and the device keep from their first call on
    is no cost of a call.
    """
    model, layers, call = profiled.model, profiled.layers, profiled.call
    objects = call.saved_before_a_run()
    peaks = _Peaks(len(layers), meter)

    def run() -> None:
        objects.renew_iterators()
        profiled.fresh().run(model)

    with garbage_collection_off():
        run()
        kept = SavedState(model)
        objects.restore()
        kept.restore()  # what holds the model was restored, and the model with it
        _clear_gradients((*model.parameters(), *call.tensors()))
        gc.collect()
        with (
            intercepted_calls(layers, peaks.measured) if profiled.calls_layers else nullcontext(),
            meter.recording(),
        ):
            peaks.measured(ROOT, run)()
    total = peaks.highest[ROOT]
    if not profiled.calls_layers:
        return Memory(total)
    of_layers = layers.totals(peaks.highest, max)  # also of those that only hold others
    return Memory(total, [total, *of_layers[ROOT + 1 :]])


def _clear_gradients(tensors: Iterable[torch.Tensor]) -> None:
    """Drop all gradients, since each call allocates its own."""
    for tensor in tensors:
        if tensor.is_leaf:
            tensor.grad = None


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

    def measured(self, layer: int, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that makes a call of a layer and notes its peak."""

        def measured(*args: Any, **kwargs: Any) -> Any:
            self._update()
            before = self._meter.alive()
            self._stack.append(_Running(before, before))
            try:
                return call(*args, **kwargs)
            finally:
                self._end(layer)

        return measured

    def _end(self, layer: int) -> None:
        self._update()
        ended = self._stack.pop()
        self.highest[layer] = max(self.highest[layer], ended.most - ended.before)
        if self._stack:
            self._stack[-1].most = max(self._stack[-1].most, ended.most)

    def _update(self) -> None:
        """Note the peak since the last update for the innermost call, and let it begin anew."""
        if self._stack:
            self._stack[-1].most = max(self._stack[-1].most, self._meter.peak())
        self._meter.restart()
