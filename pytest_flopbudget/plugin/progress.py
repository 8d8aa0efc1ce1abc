"""A line on the terminal that says which test is measured, and what is done just now."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from pytest_flopbudget.escaping import visible
from pytest_flopbudget.real_time import RealTime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest

PATIENCE_S = 1.0  # what takes no longer is not shown
PAUSE_S = 0.5  # between two changes of the line


@contextmanager
def progress_of(
    item: pytest.Item, clock: Callable[[], float] = RealTime.monotonic
) -> Iterator[Callable[[str], None]]:
    """Yield a function that shows the phase of a measurement; clear the line at the end.

    Nothing is shown where nobody watches: in a file, a pipe, a worker of xdist, or under `-q`.
    """
    reporter = item.config.pluginmanager.getplugin("terminalreporter")
    if reporter is None or not reporter.isatty or reporter.verbosity < 0:
        yield lambda _: None
        return
    line = _Line(reporter, item.config.pluginmanager.getplugin("capturemanager"))
    start = clock()
    due = start + PATIENCE_S

    def show(phase: str) -> None:
        nonlocal due
        now = clock()
        if now >= due:
            due = now + PAUSE_S
            line.write(f"{visible(item.nodeid)}: {phase}, {now - start:.0f} s")

    try:
        yield show
    finally:
        line.clear()


class _Line:
    """The line at the bottom of the terminal, written past the capturing of output."""

    def __init__(self, reporter: Any, capture: Any) -> None:
        self._reporter = reporter
        self._uncaptured = nullcontext if capture is None else capture.global_and_fixture_disabled
        self._is_there = False

    def write(self, text: str) -> None:
        """Put a text in the place of the one before."""
        with self._uncaptured():
            if not self._is_there:
                self._reporter.ensure_newline()
                self._is_there = True
            width = self._reporter.config.get_terminal_writer().fullwidth - 1
            self._reporter.rewrite(text[:width], erase=True)
            self._reporter.flush()

    def clear(self) -> None:
        """Leave the line as if nothing had been there."""
        if self._is_there:
            self.write("")
            self._is_there = False
