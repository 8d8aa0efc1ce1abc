"""What pytest shows of an error in a model: the frames of the test and of the model, not ours."""

from __future__ import annotations

import inspect
from types import FrameType, TracebackType
from typing import TYPE_CHECKING

import pytest

from pytest_flopbudget.measure.torch_internals.frames import OPERATOR_CALLS

if TYPE_CHECKING:
    from collections.abc import Iterator

OWN_MODULES = "pytest_flopbudget."


def hide_own_frames(call: pytest.CallInfo[None]) -> None:
    """Leave the frames of this plugin out of the error of a phase, and of those that led to it."""
    if call.excinfo is not None:
        for error in _chain(call.excinfo.value):
            error.__traceback__ = _without_own_frames(error.__traceback__)
        call.excinfo = pytest.ExceptionInfo.from_exception(call.excinfo.value)


def traceback_to_caller() -> TracebackType | None:
    """Return a traceback of the line that called this plugin, of an error that is raised later."""
    frame = inspect.currentframe()
    while frame is not None and _is_own(frame):
        frame = frame.f_back
    return None if frame is None else TracebackType(None, frame, frame.f_lasti, frame.f_lineno)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, then what it was raised from, or while what was handled."""
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__ if one.__suppress_context__ else one.__context__


def _without_own_frames(traceback: TracebackType | None) -> TracebackType | None:
    shown = [one for one in _frames(traceback) if not _is_own(one.tb_frame)]
    if len(shown) > 1 and _module(shown[-1].tb_frame) == OPERATOR_CALLS:
        shown.pop()
    linked = None
    for one in reversed(shown):
        linked = TracebackType(linked, one.tb_frame, one.tb_lasti, one.tb_lineno)
    return linked


def _frames(traceback: TracebackType | None) -> Iterator[TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


def _is_own(frame: FrameType) -> bool:
    return _module(frame).startswith(OWN_MODULES)


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__"))
