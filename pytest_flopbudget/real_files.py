"""Files of this machine, also within a test that puts a file system of its own in their place.

A plugin such as pyfakefs replaces the functions of `os`, `io` and `pathlib` wherever a module holds
them, and in each module that is loaded meanwhile. The plugin loads this one before any test, and
what a class holds stays as it is.
"""

from __future__ import annotations

import io
import os
from stat import S_ISLNK
from typing import IO, TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class _System:
    """The functions as they were before any test."""

    open: ClassVar[Callable[..., IO[Any]]] = staticmethod(io.open)
    stat = staticmethod(os.stat)
    lstat = staticmethod(os.lstat)


def read_text(file: Path) -> str:
    """Return what a text file of the system holds, such as one in `/proc`."""
    with _System.open(str(file), encoding="utf-8", errors="replace") as stream:
        text: str = stream.read()
    return text


def read_bytes(file: Path, most: int) -> bytes:
    """Return the beginning of a file, of `most` bytes."""
    with _System.open(str(file), "rb") as stream:
        content: bytes = stream.read(most)
    return content


def status(file: Path) -> os.stat_result:
    """Return the status of a file, after symbolic links."""
    return _System.stat(str(file))


def is_link(file: Path) -> bool:
    """Return whether a file is a symbolic link."""
    try:
        return S_ISLNK(_System.lstat(str(file)).st_mode)
    except OSError:
        return False
