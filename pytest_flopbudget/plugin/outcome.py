"""The outcome of a test: whether it passed, and whether it would have if its budgets had."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _pytest.outcomes import Failed  # pytest's public name for it is no type

STOPS = (KeyboardInterrupt, pytest.exit.Exception)  # these end the run


class TestOutcome:
    """The outcome of a test so far: whether it passed, and whether only its budgets failed."""

    __test__ = False  # to pytest: this is no test class

    def __init__(self) -> None:
        self.passed = True
        self.acceptable = True  # passed, or failed by nothing but budgets
        self._defers = False
        self._deferred: Failed | None = None  # the first failure of a budget

    def fail(self, failure: Failed) -> None:
        """Fail the test because of a budget: at once, or at its end while failures are deferred.

        Raises:
            Failed: the failure, at once.
        """
        if not self._defers:
            raise failure
        self._deferred = self._deferred or failure

    @contextmanager
    def deferred_failures(self) -> Iterator[None]:
        """Let a test run on when a budget fails, to see whether it would have passed otherwise.

        The first failure is raised at the end, and names the error that followed it, if one did.
        """
        self._defers = True
        try:
            yield
        except STOPS:
            raise
        except BaseException as error:
            if self._deferred is None:
                raise
            self.acceptable = False
            followed = f"then the test went on, and raised `{type(error).__name__}: {error}`"
            self._deferred.msg = f"{self._deferred.msg}\n\n{followed}"
        finally:
            self._defers = False
        if self._deferred is not None:
            raise self._deferred from None

    def add_phase(self, report: pytest.TestReport, error: BaseException | None) -> None:
        """Take in how set-up, call or teardown ended, and with what error."""
        by_budget = error is not None and error is self._deferred
        expected = hasattr(report, "wasxfail")
        self.passed = self.passed and report.passed and not expected
        self.acceptable = self.acceptable and (report.passed or by_budget) and not expected
