"""What a user sees of a measurement: a line on the terminal, and in any case who is waited for."""

from __future__ import annotations

import sys
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from pytest_flopbudget.escaping import visible
from pytest_flopbudget.plugin.runtest.time_limits import TimeLimit
from pytest_flopbudget.real_time import RealTime
from pytest_flopbudget.settings.measuring import Delay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest

PATIENCE_S = 1.0  # what takes no longer is not shown
PAUSE_S = 0.5  # between two changes of the line
DELAY_S = 5.0  # a delay that takes no longer is not told where nobody watches


@contextmanager
def progress_of(
    item: pytest.Item, clock: Callable[[], float] = RealTime.monotonic
) -> Iterator[Callable[[str], None]]:
    """Yield a function that shows the phase of a measurement; clear the line at the end.

    Where nobody watches - in a file, a pipe, a worker of xdist, or under `-q` - only delays are
    told. The time limit of the test stands still meanwhile.
    """
    reporter = item.config.pluginmanager.getplugin("terminalreporter")
    is_watched = reporter is not None and reporter.isatty and reporter.verbosity >= 0
    shown = _Line(item, clock) if is_watched else _Delays(item, clock)
    limit = TimeLimit(item)

    def progress(phase: str) -> None:
        (limit.pause if isinstance(phase, Delay) else limit.go_on)()
        shown.show(phase)

    try:
        yield progress
    finally:
        limit.go_on()
        shown.clear()


class _Shown:
    """What is written past the capturing of output."""

    def __init__(self, item: pytest.Item, clock: Callable[[], float]) -> None:
        plugin = item.config.pluginmanager.getplugin
        self._reporter: Any = plugin("terminalreporter")
        capture: Any = plugin("capturemanager")
        self._uncaptured = nullcontext if capture is None else capture.global_and_fixture_disabled
        self._clock = clock
        self._test = visible(item.nodeid)

    def show(self, phase: str) -> None:
        """Show a phase, if it is time to."""

    def clear(self) -> None:
        """Leave nothing that is not to stay."""


class _Line(_Shown):
    """The line at the bottom of the terminal."""

    def __init__(self, item: pytest.Item, clock: Callable[[], float]) -> None:
        super().__init__(item, clock)
        self._start = clock()
        self._due = self._start + PATIENCE_S
        self._is_there = False

    def show(self, phase: str) -> None:
        """Put a phase in the place of the one before."""
        now = self._clock()
        if now >= self._due:
            self._due = now + PAUSE_S
            self._write(f"{self._test}: {phase}, {now - self._start:.0f} s")

    def clear(self) -> None:
        """Leave the line as if nothing had been there."""
        if self._is_there:
            self._write("")
            self._is_there = False

    def _write(self, text: str) -> None:
        with self._uncaptured():
            if not self._is_there:
                self._reporter.ensure_newline()
                self._is_there = True
            width = self._reporter.config.get_terminal_writer().fullwidth - 1
            self._reporter.rewrite(text[:width], erase=True)
            self._reporter.flush()


class _Delays(_Shown):
    """Delays that take long, one line each; a worker of xdist has its standard error alone."""

    def __init__(self, item: pytest.Item, clock: Callable[[], float]) -> None:
        super().__init__(item, clock)
        self._since: float | None = None
        self._wait_s = DELAY_S  # before the next line
        self._is_worker = hasattr(item.config, "workerinput")  # whose reporter writes nowhere

    def show(self, phase: str) -> None:
        """Tell of a delay, and again whenever it has lasted twice as long."""
        if not isinstance(phase, Delay):
            self._since, self._wait_s = None, DELAY_S
            return
        now = self._clock()
        self._since = now if self._since is None else self._since
        if now - self._since >= self._wait_s:
            self._wait_s = 2 * (now - self._since)
            self._write(f"{self._test}: {phase}")

    def _write(self, text: str) -> None:
        with self._uncaptured():
            if self._reporter is not None and not self._is_worker:
                self._reporter.ensure_newline()
                self._reporter.write_line(text)
                self._reporter.flush()
            elif sys.__stderr__ is not None:
                print(text, file=sys.__stderr__, flush=True)
