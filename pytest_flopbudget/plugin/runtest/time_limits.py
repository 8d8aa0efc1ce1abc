"""The time limit that pytest-timeout gives a test: it stands still while the test only waits."""

from __future__ import annotations

import signal
from typing import Any

import pytest

LIMIT: pytest.StashKey[Any] = pytest.StashKey()  # the settings of the timer that runs for a test


class TimeLimits:
    """The plugin that notes which timer runs, by the hooks that pytest-timeout has for others."""

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_timeout_set_timer(self, item: pytest.Item, settings: Any) -> None:
        """Note the timer, and leave it to pytest-timeout to set it."""
        item.stash[LIMIT] = settings

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_timeout_cancel_timer(self, item: pytest.Item) -> None:
        """Forget the timer."""
        if LIMIT in item.stash:
            del item.stash[LIMIT]


class TimeLimit:
    """The time limit of one test, if it has any.

    A signal's timer goes on with what was left of it. That of a thread can only be set anew.
    """

    def __init__(self, item: pytest.Item) -> None:
        self._item = item
        self._paused: Any = None  # the settings of a timer that stands still
        self._left_s = 0.0

    def pause(self) -> None:
        """Let the timer stand still, if one runs."""
        if self._paused is not None or LIMIT not in self._item.stash:
            return
        self._paused = self._item.stash[LIMIT]
        if self._paused.method == "signal":
            self._left_s = signal.setitimer(signal.ITIMER_REAL, 0)[0]
        else:
            self._item.config.hook.pytest_timeout_cancel_timer(item=self._item)

    def go_on(self) -> None:
        """Let the timer go on, if it stands still."""
        if self._paused is None:
            return
        settings, self._paused = self._paused, None
        if settings.method == "signal":
            signal.setitimer(signal.ITIMER_REAL, self._left_s)
        else:
            self._item.config.hook.pytest_timeout_set_timer(item=self._item, settings=settings)
