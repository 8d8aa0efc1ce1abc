"""One timed call after the other, with nothing in between that a call could notice."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pytest_flopbudget.measure.isolation.model_state import SavedState
from pytest_flopbudget.measure.timing.noise import waited_ns
from pytest_flopbudget.measure.timing.sampling import Round

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

    from pytest_flopbudget.measure.call import ModelCall
    from pytest_flopbudget.measure.timing.clock import Clock
    from pytest_flopbudget.measure.timing.layer_times import LayerTimer


class Unwatched:
    """Stands where layers could be watched, and does nothing."""

    @contextmanager
    def attached(self) -> Iterator[None]:
        """Leave every layer as it is."""
        yield

    def start(self) -> None:
        """Begin with the first way."""

    def end_forward(self, output: Any) -> None:
        """End the way forward."""

    def stop(self) -> None:
        """End the last way."""


UNWATCHED = Unwatched()


class Stopwatch:
    """Runs calls and times them, as long as there is time left."""

    def __init__(
        self, model: nn.Module, call: ModelCall, clock: Clock, *, limit_s: float, threads: int = 1
    ) -> None:
        self._model = model
        self._call = call
        self._before = [call.objects()]  # what each round finds as it was
        self._clock = clock
        self._threads = threads
        self.limit_ns = limit_s * 1e9
        self.restart()

    def restart(self) -> None:
        """Forget the time that is spent."""
        self._start_ns = self._clock.now_ns()

    @property
    def spent(self) -> float:
        """The share of the time limit that is spent."""
        return (self._clock.now_ns() - self._start_ns) / self.limit_ns

    def round(self, watch: LayerTimer | Unwatched = UNWATCHED) -> Round:
        """Time one call; arguments and model are as they were before the one before it.

        What the model keeps from its first call on stays, but it cannot grow with the rounds.
        """
        for state in self._before:
            state.restore()
        call, clock = self._call.fresh(), self._clock
        with watch.attached():
            waited = self._waited_ns()
            start = clock.mark()
            watch.start()
            output = call.forward(self._model)
            watch.end_forward(output)
            middle = clock.mark()
            if call.training:
                call.backward(output)
            watch.stop()
            end = clock.mark()
            clock.settle()
            waited = self._waited_ns() - waited
        if len(self._before) == 1:
            self._before.append(SavedState(self._model))
        return Round(clock.between_ns(start, middle), clock.between_ns(middle, end), waited)

    def _waited_ns(self) -> int:
        return waited_ns(every_thread=self._threads > 1)
