"""As quiet as this machine can be while a model is timed, and how quiet it was."""

from __future__ import annotations

import gc
import os
import tempfile
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from filelock import FileLock, Timeout

from pytest_flopbudget.measure.garbage import uncollected

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_WAIT_S = 600.0
PROCESS = Path("/proc")
OWN = "thread-self/schedstat"  # nanoseconds on a core, nanoseconds waiting for one, how often


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
def alone(longest_s: float = LONGEST_WAIT_S, *, folder: Path | None = None) -> Iterator[bool]:
    """Wait until no other process of this user on this machine times a model.

    Yields whether that came: not if others took longer than `longest_s` in all. A process that
    dies lets the next one in; where no file can be locked, nobody waits.
    """
    user = getattr(os, "getuid", lambda: "")()
    with ExitStack() as stack:
        is_alone = True
        try:
            file = (folder or Path(tempfile.gettempdir())) / f"pytest-flopbudget{user}.lock"
            stack.enter_context(FileLock(file, timeout=longest_s, poll_interval=0.02))
        except Timeout:
            is_alone = False
        except (OSError, NotImplementedError):
            pass
        yield is_alone


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
