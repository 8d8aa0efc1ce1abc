"""The outcome of a test, as its budgets decide it: what failed first, and what came after."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from pytest_flopbudget.plugin.items import failure
from pytest_flopbudget.plugin.runtest.tracebacks import traceback_to_caller

if TYPE_CHECKING:
    from collections.abc import Iterator

STOPS = (KeyboardInterrupt, pytest.exit.Exception)  # these end the run
EXPECTED = pytest.xfail.Exception  # a test that calls `pytest.xfail` keeps its meaning


class TestOutcome:
    """What the budgets of a test make of its outcome: a failure of one wins over what follows."""

    __test__ = False  # to pytest: this is no test class

    def __init__(self, *, defers: bool = False) -> None:
        self._defers = defers  # failing verdicts, until the call of the test has ended
        self._first: BaseException | None = None  # failure of a budget, until a phase ends with it
        self._verdicts: list[BaseException] = []  # failures that a proposal would accept
        self._has_errors = False
        self.call_passed = False

    def fail(self, verdict: BaseException) -> None:
        """Fail the test because of a verdict: at once, or at the end while failures are deferred.

        Raises:
            Failed: the failure, at once.
        """
        self._verdicts.append(verdict)
        self._first = self._first or verdict
        if not self._defers:
            raise verdict
        verdict.__traceback__ = traceback_to_caller()

    def note_error(self, error: BaseException) -> None:
        """Remember the error of a budget, which the test must not swallow."""
        self._has_errors = True
        self._first = self._first or error

    def failed_by_verdict(self, error: BaseException | None) -> bool:
        """Return whether a phase that ended with an error would have passed without verdicts."""
        return not self._has_errors and any(error is verdict for verdict in self._verdicts)

    @contextmanager
    def enforced(self, phase: str) -> Iterator[None]:
        """Have a phase of the test end with the first failure of a budget, if there is one.

        Args:
            phase: `setup`, `call` or `teardown`.

        Raises:
            BaseException: that failure, which names what followed it.
        """
        self._defers = self._defers and phase != "teardown"
        try:
            yield
        except STOPS:
            raise
        except EXPECTED:
            self._first = None
            raise
        except BaseException as error:
            first = self._take()
            if first is None or first is error:
                raise
            raise _followed_by(first, _what_followed(error)) from None
        if self._defers and phase == "setup":
            return
        first = self._take()
        if first is not None:
            raise first if self._defers else _followed_by(first, "passed") from None
        self.call_passed = self.call_passed or phase == "call"

    def _take(self) -> BaseException | None:
        first, self._first = self._first, None
        return first


def _what_followed(error: BaseException) -> str:
    if isinstance(error, pytest.skip.Exception):
        return f"was skipped: {error}"
    return f"raised `{type(error).__name__}: {error}`"


def _followed_by(first: BaseException, what: str) -> BaseException:
    """Return the failure of a budget that names what the test did after it."""
    is_ours = isinstance(first, pytest.fail.Exception)
    said = str(first) if is_ours else f"{type(first).__name__}: {first}"
    text = f"{said}\n\nthen the test went on, and {what}"
    return failure(text).with_traceback(first.__traceback__)
