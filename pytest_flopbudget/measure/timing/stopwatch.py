"""The stopwatch: the rounds of one call, timed one after the other."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pytest_flopbudget.measure.hardware.devices import device_of
from pytest_flopbudget.measure.isolation.model_state import SavedState
from pytest_flopbudget.measure.timing.memory_growth import MemoryGrowth
from pytest_flopbudget.measure.timing.noise import waited_ns
from pytest_flopbudget.measure.timing.sampling import Round

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_flopbudget.measure.profiled_call import ProfiledCall
    from pytest_flopbudget.measure.timing.clock import Clock
    from pytest_flopbudget.measure.timing.layer_timer import LayerTimer


class NoLayerTimer:
    """The layer timer of a round in which no layer is timed: it does nothing."""

    @contextmanager
    def intercepting(self) -> Iterator[None]:
        """Leave every layer as it is."""
        yield

    def start(self) -> None:
        """Begin the forward pass."""

    def end_forward(self, output: Any) -> None:
        """End the forward pass."""

    def stop(self) -> None:
        """End the last pass."""


NO_LAYER_TIMER = NoLayerTimer()


class Stopwatch:
    """Times rounds of one call, and tells which share of the time limit is spent."""

    def __init__(
        self, profiled: ProfiledCall, clock: Clock, *, limit_s: float, threads: int = 1
    ) -> None:
        self._profiled = profiled
        self._model = profiled.model
        self._before_a_round = [profiled.call.saved_before_a_run()]
        self._clock = clock
        self._threads = threads
        self.limit_ns = limit_s * 1e9
        self.growth = MemoryGrowth.on(device_of(profiled.tensors))
        self.restart()

    def restart(self) -> None:
        """Forget the time that is spent."""
        self._start_ns = self._clock.now_ns()

    @property
    def spent(self) -> float:
        """The share of the time limit that is spent: all of it if memory grew too much."""
        if self.growth.is_too_much:
            return 1.0
        return (self._clock.now_ns() - self._start_ns) / self.limit_ns

    def round(self, layer_timer: LayerTimer | NoLayerTimer = NO_LAYER_TIMER) -> Round:
        """Time one call, and its layers if a layer timer is given.

        Each round finds its arguments as the first round found them, and the model as the first
        round left it: what that one cached stays, but a cache cannot grow with the rounds. Each one
        draws the same random numbers.
        """
        for state in self._before_a_round:
            state.restore()
            state.renew_iterators()
        call, clock = self._profiled.fresh(), self._clock
        with layer_timer.intercepting():
            waited = self._waited_ns()
            start = clock.mark()
            layer_timer.start()
            output = call.forward(self._model)
            layer_timer.end_forward(output)
            middle = clock.mark()
            if call.training:
                call.backward(output)
            layer_timer.stop()
            end = clock.mark()
            clock.settle()
            waited = self._waited_ns() - waited
        if len(self._before_a_round) == 1:
            self._before_a_round.append(SavedState(self._model))
        self.growth.note()
        return Round(clock.between_ns(start, middle), clock.between_ns(middle, end), waited)

    def _waited_ns(self) -> int:
        return waited_ns(every_thread=self._threads > 1)
