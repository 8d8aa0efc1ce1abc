"""Interrupts: an exception of a signal handler, Ctrl-C or a deadline, reaches who measures.

A handler may raise between any two instructions: where something is half restored, or where
Python drops the exception, as in a `__del__`. So while a model is measured, handlers run at once
only where code of the model runs, else a little later. What one of them raised is final, whoever
caught it meanwhile. A handler that the model sets itself stays as it is: what that one raises is
the model's own.
"""

from __future__ import annotations

import signal
import sys
import threading
from functools import partial, wraps
from inspect import CO_GENERATOR
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    Handler = Callable[[int, FrameType | None], Any]

P = ParamSpec("P")
T = TypeVar("T")

SIGNALS = signal.valid_signals() & set(signal.Signals)  # those with a name
FOREIGN = ("bdb", "_pytest.outcomes")  # of `q` in a debugger, of `pytest.exit`
IMPORTS = "<frozen importlib._bootstrap>"  # a module that is half imported cannot be imported again
CHANGES_CONTEXT = ("__enter__", "__exit__", "__del__")  # methods of torch


class Interrupts:
    """What signals asked for during one measurement: calls of handlers, and an exception."""

    def __init__(self) -> None:
        self.is_over = False
        self.is_due = False  # whether there is something to deliver; asked at each operator
        self._waiting: list[tuple[Handler, int]] = []  # calls of handlers
        self._raised: BaseException | None = None  # by a handler: the first one

    def handle(self, handler: Handler, number: int, frame: FrameType | None) -> None:
        """Take the place of a handler: run it, or have it wait."""
        __tracebackhide__ = True
        if _is_held(frame):
            self._waiting.append((handler, number))
            self.is_due = True
        else:
            self._run(handler, number, frame)

    def deliver(self) -> None:
        """Run the handlers that wait, and raise what one has raised.

        Raises:
            BaseException: of a handler, perhaps a second time.
        """
        while self._waiting:
            handler, number = self._waiting.pop(0)
            self._run(handler, number, sys._getframe())
        if self._raised is not None:
            raise self._raised

    def _run(self, handler: Handler, number: int, frame: FrameType | None) -> None:
        __tracebackhide__ = True
        try:
            handler(number, frame)
        except BaseException as error:
            if not self.is_over:
                self._raised = self._raised or error
                self.is_due = True
            raise


current: Interrupts | None = None  # of the measurement that the main thread makes


def uninterrupted(function: Callable[P, T]) -> Callable[P, T]:
    """Have handlers of signals wait while a function runs, but for what is `interruptible` in it.

    Only the main thread is interrupted by signals.
    """

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        global current  # noqa: PLW0603 - handlers are the process's, too
        if threading.current_thread() is not threading.main_thread():
            return function(*args, **kwargs)
        outer, interrupts = current, Interrupts()
        handlers = filter(_has_handler, SIGNALS)
        try:
            current = interrupts
            return _with_handlers(interrupts, sorted(handlers), partial(function, *args, **kwargs))
        finally:
            current, interrupts.is_over = outer, True
            interrupts.deliver()

    return run


def interruptible(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call what may take long or is the model's own: handlers of signals run at once in there."""
    deliver_interrupts()
    return function(*args, **kwargs)


def deliver_interrupts() -> None:
    """Raise now what a signal asked for earlier.

    Raises:
        BaseException: of a handler.
    """
    if current is not None:
        current.deliver()


def reraise_foreign(error: Exception) -> None:
    """Raise what is no failure of the model: what a signal asked for, or who watches the run.

    Raises:
        BaseException: of a handler.
        Exception: the error, if a debugger or pytest ends the run by it.
    """
    deliver_interrupts()
    if type(error).__module__ in FOREIGN:
        raise error


def _has_handler(number: int) -> bool:
    return callable(signal.getsignal(number))


def _with_handlers(interrupts: Interrupts, numbers: list[int], function: Callable[[], T]) -> T:
    """Call a function while the handlers of some signals are replaced, then put them back.

    Each has a frame of its own, so that one is put back also if another one raises just then;
    Ctrl-C, a low number, comes last.
    """
    if not numbers:
        return function()
    number, *others = numbers
    handler: Any = signal.getsignal(number)
    replaced = partial(interrupts.handle, handler)
    try:
        signal.signal(number, replaced)
        return _with_handlers(interrupts, others, function)
    finally:
        try:
            _put_back(number, replaced, handler)
        finally:  # again, as a handler that is back already may have raised in there
            _put_back(number, replaced, handler)


def _put_back(number: int, replaced: Handler, handler: Handler) -> None:
    if signal.getsignal(number) is replaced:  # else the model has set one
        signal.signal(number, handler)


def _is_held(frame: FrameType | None) -> bool:
    """Return whether an exception at a frame would leave something half done, or be dropped."""
    while frame is not None:
        code = frame.f_code
        if code is interruptible.__code__:
            return False
        if code is _with_handlers.__code__:
            return True
        if code.co_filename == IMPORTS or _changes_context(frame):
            return True
        frame = frame.f_back
    return False


def _changes_context(frame: FrameType) -> bool:
    """Return whether torch enters or leaves a context in a frame, or frees memory."""
    if str(frame.f_globals.get("__name__")).partition(".")[0] != "torch":
        return False
    code = frame.f_code
    return code.co_name in CHANGES_CONTEXT or bool(code.co_flags & CO_GENERATOR)
