"""The budget folder while a run writes into it: one run at a time, each file in one step."""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX, SUFFIX = ".flop-budget-", ".tmp"  # of a file that is not complete yet


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Let no other run read, merge and write in between; sweep up after runs that were killed.

    The lock is on the folder itself and ends with the process. Where there is none (on Windows,
    on some network file systems) each file is still whole, but of two runs that write it at the
    same moment the later one wins.
    """
    with suppress(OSError):  # whoever writes will say what is wrong with the folder
        folder.mkdir(parents=True, exist_ok=True)
    handle = _lock(folder)
    if handle is None:
        yield
        return
    try:
        for left in folder.rglob(f"{PREFIX}*{SUFFIX}"):
            with suppress(OSError):  # it does no harm
                left.unlink()
        yield
    finally:
        os.close(handle)


def write(file: Path, text: str) -> None:
    """Replace a file in one step: whatever happens, it is the old one or the new one."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=PREFIX, suffix=SUFFIX)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(_mode(file))
        Path(temporary).replace(file)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _sync(file.parent)


def _lock(folder: Path) -> int | None:
    """Wait for the lock of a folder; whoever closes what this returns gives it back."""
    if sys.platform == "win32":
        return None
    import fcntl

    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
    except OSError:
        os.close(handle)
        return None
    return handle


def _mode(file: Path) -> int:
    """Keep the permissions of an existing file; a new one gets what the user's mask allows."""
    if file.exists():
        return file.stat().st_mode
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _sync(folder: Path) -> None:
    """Have the new name on the disk as well, where folders can be told to."""
    with suppress(OSError):  # the file is in its place, whatever this says
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
