"""The lock that lets one process at a time, of this user on this machine, time a model."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from pytest_flopbudget.measure.isolation.interrupts import interruptible

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_WAIT_S = 600.0


@contextmanager
def exclusive_timing(
    longest_s: float = LONGEST_WAIT_S, *, folder: Path | None = None
) -> Iterator[bool]:
    """Wait until no other process of this user on this machine times a model.

    Yields whether it is so: not if others took longer than `longest_s` in all. A process that
    dies lets the next one in; where no file can be locked, nobody waits.
    """
    user = getattr(os, "getuid", lambda: "")()
    with ExitStack() as stack:
        is_exclusive = True
        try:
            file = (folder or Path(tempfile.gettempdir())) / f"pytest-flopbudget{user}.lock"
            lock = FileLock(file, timeout=longest_s, poll_interval=0.02)
            stack.callback(lock.release)
            interruptible(lock.acquire)
        except Timeout:
            is_exclusive = False
        except (OSError, NotImplementedError):
            pass
        yield is_exclusive
