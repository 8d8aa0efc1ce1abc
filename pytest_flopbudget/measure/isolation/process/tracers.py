"""Tracers: functions that Python calls at each line or call, as coverage, profilers and debuggers.

One that measures is suspended while a model is timed. A debugger is not, since somebody steps with
it, and neither is one that nobody could put back: a profiler in C is no function to Python.
"""

from __future__ import annotations

import sys
import threading
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

P = ParamSpec("P")
T = TypeVar("T")

DEBUGGERS = ("bdb", "debugpy", "pydevd", "_pydevd")  # how the names of their modules begin
FUNCTIONS = (FunctionType, MethodType, BuiltinFunctionType, partial)
COVERAGE = "coverage"  # its tracer is in C, and made to be put back by `sys.settrace`
TOOLS = range(6)  # of `sys.monitoring`

monitoring: Any = getattr(sys, "monitoring", None)  # from Python 3.12 on


def without_tracers(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a function while the tracers that measure are suspended: those of each new thread, too.

    They are taken away and put back in this very frame: a tracer would miss the end of others.
    """
    tracers, events = list(_suspendable()), list(_monitored())
    try:
        for write, _ in tracers:
            write(None)
        for tool, _ in events:
            monitoring.set_events(tool, 0)
        return function(*args, **kwargs)
    finally:
        for tool, mask in events:
            monitoring.set_events(tool, mask)
        for write, tracer in tracers:
            write(tracer)


def tracers_at_work() -> Iterator[str]:
    """Name the tracers that are not suspended."""
    for tracer in (sys.gettrace(), sys.getprofile()):
        if tracer is not None and _is_debugger(tracer):
            yield f"a debugger, `{_module_of(tracer)}`,"
        elif tracer is not None and not _can_be_put_back(tracer):
            yield "`memray`" if isinstance(tracer, int) else f"`{_module_of(tracer)}`"
    if monitoring is not None and (name := monitoring.get_tool(monitoring.DEBUGGER_ID)):
        yield f"a debugger, `{name}`,"


def _suspendable() -> Iterator[tuple[Callable[[Any], None], Any]]:
    """Yield what sets each tracer that is to be suspended, and the tracer."""
    for read, write in (
        (threading.gettrace, threading.settrace),
        (threading.getprofile, threading.setprofile),
        (sys.getprofile, sys.setprofile),
        (sys.gettrace, sys.settrace),
    ):
        tracer: Any = read()
        if tracer is not None and _can_be_put_back(tracer) and not _is_debugger(tracer):
            yield write, tracer


def _monitored() -> Iterator[tuple[int, int]]:
    """Yield the tools of `sys.monitoring` and the events that they are told of everywhere."""
    for tool in TOOLS if monitoring is not None else ():
        is_measuring = tool != monitoring.DEBUGGER_ID and monitoring.get_tool(tool) is not None
        if is_measuring and (events := monitoring.get_events(tool)):
            yield tool, events


def _can_be_put_back(tracer: Any) -> bool:
    return isinstance(tracer, FUNCTIONS) or _module_of(tracer) == COVERAGE


def _is_debugger(tracer: Any) -> bool:
    owner = getattr(tracer, "__self__", tracer)
    modules = {kind.__module__ for kind in type(owner).__mro__}
    modules.add(str(getattr(tracer, "__module__", "")))
    return any(name.startswith(DEBUGGERS) for name in modules)


def _module_of(tracer: Any) -> str:
    """Return the module of a function, or of the class of an object: the name of a tool."""
    owner = getattr(tracer, "__self__", tracer)
    module = owner.__module__ if isinstance(owner, FUNCTIONS) else type(owner).__module__
    return str(module).partition(".")[0]
