"""What a handler of a signal raises reaches who measures, and leaves nothing half restored."""

from __future__ import annotations

import signal
from threading import Event, Thread
from typing import Any

import pytest
import torch

from pytest_flopbudget import profile_model
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
