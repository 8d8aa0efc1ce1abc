"""Other processes: what a model computes in them is seen by no mode, so that it is noticed here.

A process that is forked has a copy of everything, and one of a pool is sent tensors and arrays.
What a program that is started by its name computes is not noticed.
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import contextmanager
from multiprocessing.reduction import ForkingPickler
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import nn

from pytest_flopbudget.measure.torch_internals.dispatch import leave_modes, numbers_of_modes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Note = Callable[[], None]

PROCESS = "outside::process"  # in the place of the operators that another process ran


class _Noting(NamedTuple):
    """Who notes what, and how many modes there were before the count."""

    note: Note
    thread: int
    numbers_of_modes: tuple[int, int]


_noting: _Noting | None = None  # by the count that runs


@contextmanager
def other_processes_noticed(note: Note) -> Iterator[None]:
    """Call `note` whenever this thread forks, or a tensor or array is sent to another process."""
    global _noting  # noqa: PLW0603 - a fork is the whole process's
    reducers: dict[type, Any] = ForkingPickler._extra_reducers  # type: ignore[attr-defined]
    before = {kind: reducers.get(kind) for kind in _sendable()}
    for kind, reduce in before.items():
        reducers[kind] = _noted(reduce or _reduced, note)
    _noting = _Noting(note, threading.get_ident(), numbers_of_modes())
    try:
        yield
    finally:
        _noting = None
        for kind, reduce in before.items():
            if reduce is None:
                del reducers[kind]
            else:
                reducers[kind] = reduce


def _sendable() -> Iterator[type]:
    yield from (torch.Tensor, nn.Parameter)
    if numpy := sys.modules.get("numpy"):
        from pytest_flopbudget.measure.counting.watched_arrays import WatchedArray

        yield from (numpy.ndarray, WatchedArray)


def _noted(reduce: Callable[[Any], Any], note: Note) -> Callable[[Any], Any]:
    def noted(value: Any) -> Any:
        note()
        return reduce(value)

    return noted


def _reduced(value: Any) -> Any:
    return value.__reduce_ex__(2)


def _before_fork() -> None:
    if _noting is not None and _noting.thread == threading.get_ident():
        _noting.note()


def _in_child() -> None:
    """Leave the modes of the count, which are this process's now and would see what it runs."""
    if _noting is not None and _noting.thread == threading.get_ident():
        leave_modes(_noting.numbers_of_modes)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_child=_in_child)
