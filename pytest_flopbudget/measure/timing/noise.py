"""The noise that the system tells of: threads that waited for a core, and the load."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

PROCESS = Path("/proc")
THIS_THREAD, EVERY_THREAD = "thread-self/schedstat", "self/task/*/schedstat"
WAITED = 1  # of these files' fields: nanoseconds on a core, nanoseconds waiting for one, how often


def waited_ns(*, every_thread: bool, process: Path = PROCESS) -> int:
    """Return how long this thread, or every one, has been ready to run and waited for a core.

    Linux tells; elsewhere it is 0, as nothing is known.
    """
    waited = 0
    for file in process.glob(EVERY_THREAD) if every_thread else [process / THIS_THREAD]:
        with suppress(OSError):  # a thread may have ended; other systems have no such file
            waited += int(file.read_text().split()[WAITED])
    return waited


def load_average() -> float | None:
    """Return how many processes wanted a core in the last minute; Windows does not tell."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return None
