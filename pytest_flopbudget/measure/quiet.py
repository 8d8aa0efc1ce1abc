"""As quiet as this machine can be while a model is timed, and how quiet it was."""

from __future__ import annotations

import gc
import os
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from filelock import FileLock, Timeout

from pytest_flopbudget.measure.garbage import uncollected

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_WAIT_S = 600.0
SCHEDULED = Path("/proc/thread-self/schedstat")  # ns on a core, ns waiting for one, turns


@contextmanager
def quiet(threads: int) -> Iterator[None]:
    """Hold the garbage collector and the number of threads still."""
    before = torch.get_num_threads()
    gc.collect()
    torch.set_num_threads(threads)
    try:
        with uncollected():
            yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def turn(longest_s: float = LONGEST_WAIT_S, *, folder: Path | None = None) -> Iterator[bool]:
    """Wait until no other process of this user on this machine times a model.

    Yields whether that was had: not if others took longer than `longest_s` in all. A process that
    dies gives its turn back; where no file can be locked, nobody waits.
    """
    user = getattr(os, "getuid", lambda: "")()
    file = (folder or Path(tempfile.gettempdir())) / f"pytest-flopbudget{user}.lock"
    lock = FileLock(file)
    had = True
    try:
        lock.acquire(timeout=longest_s, poll_interval=0.02)
    except Timeout:
        had = False
    except (OSError, NotImplementedError):
        pass
    try:
        yield had
    finally:
        lock.release()


class Queue:
    """How long this thread stood ready and waited for a core; on Linux, else nothing is known."""

    def __init__(self, file: Path = SCHEDULED) -> None:
        self._handle: int | None = None
        with suppress(OSError):
            self._handle = os.open(file, os.O_RDONLY)

    def waited_ns(self) -> int:
        """Return the nanoseconds since the thread began."""
        if self._handle is None:
            return 0
        return int(os.pread(self._handle, 64, 0).split()[1])

    def close(self) -> None:
        """Close the file."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def load() -> float | None:
    """Return how many processes wanted a core in the last minute; on Windows nobody knows."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return None
