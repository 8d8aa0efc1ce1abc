"""The line that says what is measured, on a terminal that somebody watches."""

from __future__ import annotations

import io
import signal
import sys
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_flopbudget.plugin.progress import DELAY_S, PATIENCE_S, PAUSE_S, progress_of
from pytest_flopbudget.plugin.runtest.time_limits import LIMIT
from pytest_flopbudget.settings.measuring import Delay

if TYPE_CHECKING:
    from collections.abc import Iterator


class Watched:
    """A test whose terminal is watched, unless it is said otherwise, and what that shows."""

    def __init__(
        self,
        *,
        isatty: bool = True,
        verbosity: int = 0,
        capture: bool = True,
        worker: bool = False,
    ) -> None:
        self.now = 0.0
        self.shown: list[str] = []
        self.captured = capture
        writer = SimpleNamespace(fullwidth=60)
        self.config = SimpleNamespace(get_terminal_writer=lambda: writer)
        self.isatty, self.verbosity = isatty, verbosity
        plugins = {"terminalreporter": self, "capturemanager": self if capture else None}
        self.item: Any = SimpleNamespace(
            nodeid="tests/test_a.py::test_a",
            config=SimpleNamespace(pluginmanager=SimpleNamespace(getplugin=plugins.get)),
            stash=pytest.Stash(),
        )
        if worker:
            self.item.config.workerinput = {}

    @contextmanager
    def global_and_fixture_disabled(self) -> Iterator[None]:
        self.captured = False
        yield
        self.captured = True

    def ensure_newline(self) -> None:
        self.shown.append("\n")

    def rewrite(self, line: str, *, erase: bool) -> None:
        assert erase
        assert not self.captured
        self.shown.append(line)

    def write_line(self, line: str) -> None:
        assert not self.captured
        self.shown.append(line)

    def flush(self) -> None:
        pass

    def clock(self) -> float:
        return self.now

    def wait(self, *times: float) -> list[str]:
        """Wait for others, of whom there is another one at each time."""
        with progress_of(self.item, self.clock) as progress:
            for number, time in enumerate(times):
                self.now = time
                progress(Delay(f"waiting for {number}"))
            progress("timing")
        return self.shown

    def run(self, *times: float) -> list[str]:
        with progress_of(self.item, self.clock) as progress:
            for number, time in enumerate(times):
                self.now = time
                progress(f"phase {number}")
        return self.shown


def test_what_takes_long_is_shown_and_cleared() -> None:
    assert Watched().run(0.5, PATIENCE_S, 3.2) == [
        "\n",
        "tests/test_a.py::test_a: phase 1, 1 s",
        "tests/test_a.py::test_a: phase 2, 3 s",
        "",
    ]


def test_what_is_done_soon_is_not_shown() -> None:
    assert Watched().run(0, PATIENCE_S - 0.01) == []


def test_the_line_does_not_flicker() -> None:
    shown = Watched(capture=False).run(PATIENCE_S, PATIENCE_S + PAUSE_S / 2, PATIENCE_S + PAUSE_S)
    assert [line[-11:] for line in shown] == ["\n", "hase 0, 1 s"[-11:], "hase 2, 2 s", ""]


def test_a_long_line_is_cut_to_the_width_of_the_terminal() -> None:
    watched = Watched()
    watched.item.nodeid = "x" * 100
    assert watched.run(2)[1] == "x" * 59


@pytest.mark.parametrize("how", [{"isatty": False}, {"verbosity": -1}])
def test_nothing_is_shown_where_nobody_watches(how: dict[str, Any]) -> None:
    assert Watched(**how).run(0, 5, 10) == []


def test_the_line_is_cleared_after_an_exception() -> None:
    watched = Watched()

    def interrupted() -> None:
        with progress_of(watched.item, watched.clock) as progress:
            watched.now = 5
            progress("timing")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert watched.shown[-1] == ""


# Delays.

NOBODY = [{"isatty": False}, {"isatty": False, "capture": False}, {"verbosity": -1}]


@pytest.mark.parametrize("how", NOBODY)
def test_a_long_delay_is_told_also_where_nobody_watches(how: dict[str, Any]) -> None:
    assert Watched(**how).wait(100, 100 + DELAY_S - 0.01, 100 + DELAY_S, 100 + DELAY_S + 0.1) == [
        "\n",
        "tests/test_a.py::test_a: waiting for 2",
    ]


def test_it_is_told_again_when_it_has_lasted_twice_as_long() -> None:
    shown = Watched(isatty=False).wait(0, 5, 9.9, 10, 19.9, 20, 25)
    assert [line[-1] for line in shown if line != "\n"] == ["1", "3", "5"]


def test_on_a_terminal_the_line_has_it() -> None:
    assert Watched().wait(0, 2)[1] == "tests/test_a.py::test_a: waiting for 1, 2 s"


def test_a_worker_of_xdist_tells_it_on_its_standard_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "__stderr__", stream)
    assert Watched(isatty=False, worker=True).wait(0, 7) == []
    assert stream.getvalue() == "tests/test_a.py::test_a: waiting for 1\n"


def test_a_process_without_a_standard_error_tells_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "__stderr__", None)
    assert Watched(isatty=False, worker=True).wait(0, 7) == []


def test_the_next_delay_has_its_own_five_seconds() -> None:
    watched = Watched(isatty=False)
    with progress_of(watched.item, watched.clock) as progress:
        for time, phase in [(0, Delay("a")), (4, "timing"), (5, Delay("b")), (9.9, Delay("c"))]:
            watched.now = time
            progress(phase)
    assert watched.shown == []


# The time limit of pytest-timeout.


class Limited(Watched):
    """A test with a time limit of 60 s, of which 20 are left."""

    def __init__(self, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self.log: list[Any] = []
        self.item.stash[LIMIT] = self.settings = SimpleNamespace(timeout=60.0, method=method)
        self.item.config.hook = SimpleNamespace(
            pytest_timeout_cancel_timer=lambda **_: self.log.append("cancelled"),
            pytest_timeout_set_timer=lambda **given: self.log.append(given["settings"]),
        )
        monkeypatch.setattr(signal, "setitimer", self.setitimer)

    def setitimer(self, which: int, seconds: float) -> tuple[float, float]:
        assert which == signal.ITIMER_REAL
        self.log.append(seconds)
        return 20.0, 0.0


def test_a_timer_by_signal_goes_on_after_a_delay_with_what_was_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limited = Limited("signal", monkeypatch)
    limited.wait(0, 1, 100)
    assert limited.log == [0, 20.0]


def test_a_timer_by_thread_begins_anew_after_a_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    limited = Limited("thread", monkeypatch)
    limited.wait(0, 1, 100)
    assert limited.log == ["cancelled", limited.settings]


def test_a_timer_goes_on_also_after_an_exception(monkeypatch: pytest.MonkeyPatch) -> None:
    limited = Limited("signal", monkeypatch)

    def interrupted() -> None:
        with progress_of(limited.item, limited.clock) as progress:
            progress(Delay("waiting"))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert limited.log == [0, 20.0]


@pytest.mark.parametrize("method", ["signal", "thread"])
def test_without_a_delay_no_timer_is_touched(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    limited = Limited(method, monkeypatch)
    limited.run(0, 5)
    del limited.item.stash[LIMIT]
    limited.wait(0, 10)
    assert limited.log == []
