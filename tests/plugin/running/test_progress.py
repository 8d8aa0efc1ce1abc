"""The line that says what is measured, on a terminal that somebody watches."""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_flopbudget.plugin.progress import PATIENCE_S, PAUSE_S, progress_of

if TYPE_CHECKING:
    from collections.abc import Iterator


class Watched:
    """A test whose terminal is watched, unless it is said otherwise, and what that shows."""

    def __init__(self, *, isatty: bool = True, verbosity: int = 0, capture: bool = True) -> None:
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
        )

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

    def flush(self) -> None:
        pass

    def clock(self) -> float:
        return self.now

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
