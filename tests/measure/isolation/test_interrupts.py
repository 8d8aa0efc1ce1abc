"""What a handler of a signal raises reaches who measures, and leaves nothing half restored."""

from __future__ import annotations

import random
import signal
from contextlib import nullcontext
from threading import Event, Thread
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from pytest_flopbudget import profile_model
from pytest_flopbudget.measure.torch_internals.dispatch import dispatch_modes
from tests.measure.helpers import Fn, mlp, x


class Deadline(Exception):
    pass


def stop(*_: Any) -> None:
    raise Deadline


@pytest.fixture(autouse=True)
def _handler() -> Any:
    before = signal.signal(signal.SIGINT, stop)
    yield
    assert signal.getsignal(signal.SIGINT) is stop
    signal.signal(signal.SIGINT, before)


def test_a_deadline_is_not_tried_on_another_backend() -> None:
    tried = []
    with pytest.raises(Deadline):
        profile_model(Fn(lambda _: (tried.append(1), signal.raise_signal(signal.SIGINT))), x(1))
    assert tried == [1]


def test_one_that_is_caught_on_the_way_is_raised_again() -> None:
    def forward(rows: torch.Tensor) -> torch.Tensor:
        try:
            signal.raise_signal(signal.SIGINT)
        except Deadline:
            return rows
        raise AssertionError

    with pytest.raises(Deadline):
        profile_model(Fn(forward), x(1))


def test_threads_that_measure_leave_the_fast_path_on() -> None:
    inside, go_on = Event(), Event()
    slow = Fn(lambda rows: (inside.set(), go_on.wait(), rows)[-1])
    threads = [
        Thread(target=profile_model, args=(slow, x(1))),
        Thread(target=profile_model, args=(mlp(), x(1, 8))),
    ]
    threads[0].start()
    inside.wait()
    threads[1].start()
    go_on.set()
    for thread in threads:
        thread.join()
    assert torch.backends.mha.get_fastpath_enabled()


class Signalling(random.Random):
    """A generator that is interrupted while it is restored."""

    def setstate(self, state: Any) -> None:
        signal.raise_signal(signal.SIGINT)
        super().setstate(state)


@pytest.mark.parametrize("interrupts", [1, 2])
@pytest.mark.parametrize("metrics", [("gflops",), ("latency",), ("memory",)], ids="-".join)
@pytest.mark.usefixtures("brief_timing")
def test_an_interrupt_while_a_model_is_restored_waits(
    interrupts: int, metrics: tuple[str, ...]
) -> None:
    def forward(self: Fn, rows: torch.Tensor) -> torch.Tensor:
        self.generator.random()
        self.calls, self.seen[0] = self.calls + 1, 1
        self.norm.running_mean += 1
        if interrupts == 2:
            signal.raise_signal(signal.SIGINT)
        return rows

    norm = torch.nn.BatchNorm1d(8)
    model = Fn(forward, generator=Signalling(3), seen=bytearray(2), norm=norm, calls=0)
    with pytest.raises(Deadline):
        profile_model(model, x(2, 8), metrics=metrics)
    assert (model.calls, model.seen, model.training) == (0, bytearray(2), True)
    assert model.generator.random() == random.Random(3).random()  # noqa: S311
    assert not norm.running_mean.any()
    assert not norm.running_mean.is_meta


class Entered(TorchDispatchMode):
    """A mode of the model's own."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


@pytest.mark.skipif(
    torch.__version__.startswith("2.6."),
    reason="torch 2.6 itself crashes where a mode is left before one that was entered after it",
)
def test_a_mode_that_forward_entered_and_did_not_leave() -> None:
    def forward(rows: torch.Tensor) -> torch.Tensor:
        Entered().__enter__()
        signal.raise_signal(signal.SIGINT)
        return rows

    for outer in (nullcontext(), Entered()):
        with outer:
            before = dispatch_modes()
            with pytest.raises(Deadline):
                profile_model(Fn(forward), x(1))
            assert dispatch_modes() == before
