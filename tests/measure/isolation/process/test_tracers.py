"""Tracers that measure are suspended and put back; what cannot be is named."""

from __future__ import annotations

import bdb
import cProfile
import sys
import threading
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_flopbudget.measure.isolation.process import tracers as module
from pytest_flopbudget.measure.isolation.process.tracers import (
    tracers_at_work,
    without_tracers,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

READERS = (sys.gettrace, sys.getprofile, threading.gettrace, threading.getprofile)


def current() -> list[Any]:
    return [read() for read in READERS]


@pytest.fixture(autouse=True)
def own() -> Iterator[None]:
    """Take away what measures this run, coverage say, while a test sets its own."""
    before = current()
    for write in (threading.settrace, threading.setprofile, sys.setprofile, sys.settrace):
        write(None)
    yield
    sys.settrace(before[0])
    sys.setprofile(before[1])
    threading.settrace(before[2])
    threading.setprofile(before[3])


def trace(*_: Any) -> None:
    """Be a tracer that wants nothing."""


class Measures:
    """A tool whose tracer is a method, as that of coverage in Python."""

    def trace(self, *_: Any) -> None: ...


TRACERS = {"function": trace, "method": Measures().trace, "partial": partial(trace, 1)}


def install(tracer: Any) -> None:
    for write in (sys.settrace, sys.setprofile, threading.settrace, threading.setprofile):
        write(tracer)


def uninstall() -> None:
    install(None)


@pytest.mark.parametrize("tracer", TRACERS.values(), ids=TRACERS)
def test_tracers_are_suspended_and_put_back(tracer: Any) -> None:
    install(tracer)
    try:
        meanwhile = without_tracers(current)
        afterwards = current()
    finally:
        uninstall()
    assert meanwhile == [None] * 4
    assert afterwards == [tracer] * 4


def test_they_are_put_back_after_an_exception() -> None:
    def forward() -> None:
        raise KeyboardInterrupt

    sys.settrace(trace)
    try:
        with pytest.raises(KeyboardInterrupt):
            without_tracers(forward)
        assert sys.gettrace() is trace
    finally:
        sys.settrace(None)


def test_arguments_and_results_are_handed_on() -> None:
    assert without_tracers(divmod, 7, 2) == (3, 1)
    assert without_tracers(dict, a=1) == {"a": 1}


def test_a_tracer_sees_the_end_of_each_frame_whose_beginning_it_saw() -> None:
    """One that keeps a stack, as coverage does, would be wrong about all frames from then on."""
    depth, lowest = [0], [0]

    def counted(_frame: Any, event: str, _value: Any) -> Any:
        depth[0] += {"call": 1, "return": -1}.get(event, 0)
        lowest[0] = min(lowest[0], depth[0])
        return counted

    def traced() -> None:
        without_tracers(current)

    sys.settrace(counted)
    traced()
    traced()
    sys.settrace(None)
    assert (depth[0], lowest[0]) == (0, 0)


def test_what_nobody_asked_for_is_left_alone() -> None:
    assert without_tracers(current) == [None] * 4
    assert list(tracers_at_work()) == []


class Debugger(bdb.Bdb):
    """Any debugger of Python's kind."""


def test_a_debugger_is_named_and_goes_on() -> None:
    debugger = Debugger()
    debugger.reset()
    debugger.set_continue()
    sys.settrace(debugger.trace_dispatch)
    try:
        meanwhile = without_tracers(sys.gettrace)
        named = list(tracers_at_work())
    finally:
        sys.settrace(None)
    assert meanwhile == debugger.trace_dispatch
    assert named == [f"a debugger, `{__name__.partition('.')[0]}`,"]


def from_module(name: str) -> Callable[..., None]:
    """Return a tracer that a module of this name defines."""
    namespace: dict[str, Any] = {"__name__": name}
    exec("def trace(*_): return None", namespace)  # noqa: S102
    found: Callable[..., None] = namespace["trace"]
    return found


@pytest.mark.parametrize(
    "name", ["pydevd_tracing", "_pydevd_bundle.pydevd_trace_dispatch_regular", "debugpy.server"]
)
def test_debuggers_of_editors_go_on_as_well(name: str) -> None:
    tracer = from_module(name)
    sys.settrace(tracer)
    try:
        meanwhile = without_tracers(sys.gettrace)
        named = list(tracers_at_work())
    finally:
        sys.settrace(None)
    assert meanwhile is tracer
    assert named == [f"a debugger, `{name.partition('.')[0]}`,"]


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="there it uses `sys.monitoring`")
def test_a_profiler_in_c_is_named_and_goes_on() -> None:
    """`sys.setprofile` cannot put it back."""
    profiler = cProfile.Profile()
    profiler.enable()
    try:
        meanwhile = without_tracers(sys.getprofile)
        named = list(tracers_at_work())
    finally:
        profiler.disable()
    assert meanwhile is profiler
    assert named == ["`cProfile`"]


def test_the_profiler_of_memray_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A number in older versions, an object of its extension in newer ones."""
    guard = type("ProfileFunctionGuard", (), {"__module__": "memray._memray"})()
    for value in (123, guard):
        monkeypatch.setattr(module.sys, "getprofile", lambda value=value: value)
        assert list(tracers_at_work()) == ["`memray`"]


def test_the_tracer_of_coverage_in_c_is_one_that_can_be_put_back() -> None:
    tracing = pytest.importorskip("coverage.tracer")
    assert module._can_be_put_back(tracing.CTracer())


# Python's own monitoring, from 3.12 on.


class Monitoring(SimpleNamespace):
    """`sys.monitoring` with some tools."""

    DEBUGGER_ID = 0

    def __init__(self, tools: dict[int, tuple[str, int]]) -> None:
        super().__init__()
        self.tools = tools
        self.log: list[tuple[int, int]] = []

    def get_tool(self, tool: int) -> str | None:
        return self.tools[tool][0] if tool in self.tools else None

    def get_events(self, tool: int) -> int:
        return self.tools[tool][1]

    def set_events(self, tool: int, events: int) -> None:
        self.log.append((tool, events))


def test_events_everywhere_are_suspended_but_for_those_of_a_debugger(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tools = {0: ("pydevd", 7), 1: ("coverage", 5), 2: ("cProfile", 9), 3: ("local only", 0)}
    fake = Monitoring(tools)
    monkeypatch.setattr(module, "monitoring", fake)
    assert without_tracers(lambda: list(fake.log)) == [(1, 0), (2, 0)]
    assert fake.log[2:] == [(1, 5), (2, 9)]
    assert list(tracers_at_work()) == ["a debugger, `pydevd`,"]


def test_without_a_debugger_no_tool_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "monitoring", Monitoring({1: ("coverage", 5)}))
    assert list(tracers_at_work()) == []


@pytest.mark.skipif(sys.version_info < (3, 12), reason="needs `sys.monitoring`")
def test_this_python_suspends_them() -> None:
    monitoring: Any = sys.monitoring  # type: ignore[attr-defined,unused-ignore]
    called: list[Any] = []
    tool = 4
    monitoring.use_tool_id(tool, "a test")
    try:
        monitoring.register_callback(
            tool, monitoring.events.PY_START, lambda code, _: called.append(code.co_name)
        )
        monitoring.set_events(tool, monitoring.events.PY_START)
        without_tracers(trace)
        assert "trace" not in called
        trace()
        assert called[-1] == "trace"
    finally:
        monitoring.set_events(tool, 0)
        monitoring.free_tool_id(tool)
