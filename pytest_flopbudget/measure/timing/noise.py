"""Noise: what other processes do to a timing, kept low and measured."""

from __future__ import annotations

import gc
import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from pytest_flopbudget.measure.isolation.garbage_collection import garbage_collection_off

if TYPE_CHECKING:
    from collections.abc import Iterator


PROCESS = Path("/proc")


OWN = "thread-self/schedstat"  # nanoseconds on a core, nanoseconds waiting for one, how often


@contextmanager
def stable_process(threads: int) -> Iterator[None]:
    """Hold the garbage collector and the number of threads still."""
    before = torch.get_num_threads()
    gc.collect()
    torch.set_num_threads(threads)
    try:
        with garbage_collection_off():
            yield
    finally:
        torch.set_num_threads(before)


def waited_ns(*, every_thread: bool, process: Path = PROCESS) -> int:
    """Return how long this thread, or every one, has stood ready and waited for a core.

    Linux tells; elsewhere it is 0, as nothing is known.
    """
    threads = process.glob("self/task/*/schedstat") if every_thread else [process / OWN]
    waited = 0
    for file in threads:
        with suppress(OSError):  # a thread may have ended; other systems have no such file
            waited += int(file.read_text().split()[1])
    return waited


def load() -> float | None:
    """Return how many processes wanted a core in the last minute; on Windows nobody knows."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return None
