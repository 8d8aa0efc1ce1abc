"""The state without names of objects that a model holds: generators, arrays, bytes, files."""

from __future__ import annotations

import io
import random
import sys
from contextlib import suppress
from functools import partial
from operator import setitem
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

EVERYTHING = slice(None)


def restorer_of(value: Any) -> Callable[[], object] | None:
    """Return what puts an object back into the state that it has now; `None` if it has none.

    An array that lies on disk keeps what was written to it.
    """
    if isinstance(value, torch.Generator):
        return partial(value.set_state, value.get_state())
    if isinstance(value, random.Random) and not isinstance(value, random.SystemRandom):
        return partial(value.setstate, value.getstate())
    if isinstance(value, bytearray):
        return partial(setitem, value, EVERYTHING, bytes(value))
    if isinstance(value, io.IOBase):
        return _of_file(value)
    return _of_numpy(value)


def _of_file(file: io.IOBase) -> Callable[[], object] | None:
    """Return what puts a file that can only be read back to where it stands; others have moved on.

    What was written to a file stays, and whoever writes to it next goes on from there.
    """
    with suppress(OSError, ValueError):  # it is iterated over, closed or detached
        if file.seekable() and not file.writable():
            return partial(_seek, file, file.tell())
    return None


def _seek(file: io.IOBase, position: int) -> None:
    if not file.closed:
        file.seek(position)


def _of_numpy(value: Any) -> Callable[[], object] | None:
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return None
    if isinstance(value, numpy.random.Generator):
        bits = value.bit_generator
        return partial(setattr, bits, "state", bits.state)
    if isinstance(value, numpy.random.RandomState):
        return partial(value.set_state, value.get_state())
    if isinstance(value, numpy.ndarray) and not isinstance(value, numpy.memmap):
        return partial(setitem, value, Ellipsis, value.copy()) if value.flags.writeable else None
    return None
