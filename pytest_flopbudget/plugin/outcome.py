"""How a test ends: whether it passed, and whether it would have if its budgets had."""

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
        self._puts_off = False
        self._failure: Failed | None = None  # the first of a budget, put off

    def fail(self, failure: Failed) -> None:
        """Fail the test because of a budget, now or as soon as it has run to its end.

        Raises:
            Failed: the failure, if it is not put off.
        """
        if not self._puts_off:
            raise failure
        self._failure = self._failure or failure

    @contextmanager
    def put_off(self) -> Iterator[None]:
        """Let a test run on when a budget fails, to see whether it would have passed otherwise.

        The failure comes at the end, and names the error that followed it, if one did.
        """
        self._puts_off = True
        try:
            yield
        except STOPS:
            raise
        except BaseException as error:
            if self._failure is None:
                raise
            self.acceptable = False
            followed = f"then the test went on, and raised `{type(error).__name__}: {error}`"
            self._failure.msg = f"{self._failure.msg}\n\n{followed}"
        finally:
            self._puts_off = False
        if self._failure is not None:
            raise self._failure from None

    def note(self, report: pytest.TestReport, error: BaseException | None) -> None:
        """Note how one phase ended, and with what error."""
        by_budget = error is not None and error is self._failure
        expected = hasattr(report, "wasxfail")
        self.passed = self.passed and report.passed and not expected
        self.acceptable = self.acceptable and (report.passed or by_budget) and not expected
