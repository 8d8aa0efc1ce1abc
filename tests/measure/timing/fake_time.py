"""Time that passes only where a test lets it: on the host, and on a device that works on its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Iterable

MS = 1_000_000  # nanoseconds


class FakeClock:
    """A host whose work is done when a call returns."""

    def __init__(self) -> None:
        self.now = 0
        self.settled = 0

    def now_ns(self) -> int:
        return self.now

    def mark(self) -> int:
        return self.now

    def settle(self) -> None:
        self.settled += 1

    def between_ns(self, start: int, end: int) -> int:
        return end - start

    def work(self, ms: float) -> None:
        """Let work of so many milliseconds be done."""
        self.now += round(ms * MS)


class FakeDevice(FakeClock):
    """A device that takes work from a host, which does not wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self.done = 0  # when the work that it was given ends

    def work(self, ms: float) -> None:
        self.done = max(self.done, self.now) + round(ms * MS)

    def mark(self) -> int:
        self.done = max(self.done, self.now)
        return self.done

    def settle(self) -> None:
        super().settle()
        self.now = max(self.now, self.done)

    def between_ns(self, start: int, end: int) -> int:
        assert end <= self.now, "an event was read before it happened"
        return end - start


class Timed(nn.Module):
    """Each call takes the next of the given milliseconds; backward takes its own.

    What a model holds is put back before each round, so time and calls lie in functions.
    """

    def __init__(self, clock: FakeClock, ms: Iterable[float], backward_ms: float = 0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))
        times, calls = iter(ms), []

        def run() -> None:
            calls.append(1)
            clock.work(next(times))

        self._run = run
        self._run_backward = lambda: clock.work(backward_ms)
        self._count = lambda: len(calls)

    @property
    def calls(self) -> int:
        return self._count()

    def forward(self, rows: Tensor) -> Tensor:
        self._run()
        return Passing.apply(rows, self.weight, self._run_backward)


class Passing(torch.autograd.Function):
    """Scales its input, and does something when its backward runs."""

    @staticmethod
    def forward(ctx, rows, weight, on_backward):
        ctx.on_backward = on_backward
        ctx.save_for_backward(rows)
        return rows * weight

    @staticmethod
    def backward(ctx, gradient):
        (rows,) = ctx.saved_tensors  # under checkpointing this runs forward again
        ctx.on_backward()
        return gradient, (gradient * rows).sum().view(1), None
