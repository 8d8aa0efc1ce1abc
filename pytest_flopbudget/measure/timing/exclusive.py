"""The lock that lets one process at a time, of this user on this machine, time a model."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_flopbudget.measure.isolation.interrupts import interruptible
from pytest_flopbudget.measure.timing.turns.lock_folder import lock_folder
from pytest_flopbudget.measure.timing.turns.turn import Turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LONGEST_WAIT_S = 600.0


@contextmanager
def exclusive_timing(
    longest_s: float = LONGEST_WAIT_S,
    *,
    folder: Path | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Iterator[bool]:
    """Wait until no other process of this user on this machine times a model.

    Yields whether it is so: not if others took longer than `longest_s` in all. A process that
    dies or is stopped lets the next one in; where no file can be locked, nobody waits.
    """
    with ExitStack() as stack:
        is_exclusive = True
        try:
            turn = Turn(lock_folder(folder or Path(tempfile.gettempdir())))
            stack.callback(turn.end)
            is_exclusive = interruptible(turn.wait, longest_s, progress)
        except (OSError, NotImplementedError):
            pass
        yield is_exclusive
