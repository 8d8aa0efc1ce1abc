"""The turn of one process: it waits for the lock, says for whom, and passes who does not run."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from pytest_flopbudget.measure.timing.turns.holder import Holder
from pytest_flopbudget.real_time import RealTime
from pytest_flopbudget.settings.measuring import Delay

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PAUSE_S = 0.02  # between two tries
LOOK_S = 0.5  # between two looks at the holder
PATIENCE_S = 5.0  # with a holder that does not run


class Turn:
    """The turn of this process to time a model."""

    def __init__(
        self,
        folder: Path,
        clock: Callable[[], float] = RealTime.monotonic,
        sleep: Callable[[float], object] = RealTime.sleep,
    ) -> None:
        self._lock_file, self._holder_file = folder / "timing.lock", folder / "timing.json"
        self._lock = FileLock(self._lock_file, mode=0o600)
        self._passing = FileLock(folder / "passing.lock", mode=0o600)
        self._clock, self._sleep = clock, sleep
        self._own = Holder.here()

    def wait(self, longest_s: float, progress: Callable[[str], None]) -> bool:
        """Wait until it is this process's turn, and return whether it is: not after `longest_s`."""
        start = looked = self._clock()
        idle: Holder | None = None  # at the look before
        while not _is_taken(self._lock):
            now = self._clock()
            if now - start >= longest_s:
                return False
            if now == start or now - looked >= LOOK_S:
                looked, holder = now, Holder.read(self._holder_file)
                name = "another process" if holder is None else holder.text
                progress(Delay(f"waiting for {name}, which times a model"))
                is_idle = holder is not None and holder.is_idle()
                if is_idle and holder == idle and now - start >= PATIENCE_S:
                    self._pass(holder)
                idle = holder if is_idle else None
            self._sleep(PAUSE_S)
        self._own.write(self._holder_file)
        return True

    def end(self) -> None:
        """Let the next process in."""
        if self._lock.is_locked:
            self._own.remove(self._holder_file)
        self._lock.release()

    def _pass(self, idle: Holder | None) -> None:
        """Take the lock away from a holder that does not run: whoever comes gets another file.

        If it goes on one day, it does so beside others. Two processes must not do this at once,
        since the second one would take the lock away from the first.
        """
        if not _is_taken(self._passing):
            return
        with suppress(OSError):  # Windows keeps a file that is open
            if Holder.read(self._holder_file) == idle:
                self._lock_file.unlink(missing_ok=True)
                self._holder_file.unlink(missing_ok=True)
        self._passing.release()


def _is_taken(lock: FileLock) -> bool:
    """Return whether a lock could be taken at once."""
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return False
    return True
