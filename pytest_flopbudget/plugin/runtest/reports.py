"""What the reports of pytest say of a test: its budgets travel with them, also between workers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_flopbudget import serialization
from pytest_flopbudget.plugin.items import node_id, planned_path
from pytest_flopbudget.plugin.runtest.fixture_use import is_offered
from pytest_flopbudget.verdict.result import TestResults

if TYPE_CHECKING:
    import pytest

    from pytest_flopbudget.plugin.fixture import FlopBudget

RESULTS = "flop_budget"  # attributes of a report, on its way from a worker to the controller
BY_VERDICT = "flop_budget_failed"  # the phase failed by the verdict of a budget, nothing else
REASON = "Skipped: "  # before the reason in a report


def attach_results(
    report: pytest.TestReport, item: pytest.Item, fixture: FlopBudget | None
) -> None:
    """Give the results of a test to its last report, so that they reach the controller."""
    results = TestResults(
        test=node_id(item),
        path=str(planned_path(item)),
        has_budget=not is_offered(item),
        results=tuple(fixture.results) if fixture else (),
        unjudged=fixture.unjudged if fixture else (),
    )
    setattr(report, RESULTS, serialization.dumps(results))


def attach_verdict(report: pytest.TestReport) -> None:
    """Mark the report of a phase that failed by the verdict of a budget alone."""
    setattr(report, BY_VERDICT, True)


def skip_reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Return the reason that pytest gives for a skip."""
    if hasattr(report, "wasxfail"):
        return str(report.wasxfail) or "expected to fail"
    longrepr = report.longrepr
    text = str(longrepr[2] if isinstance(longrepr, tuple) else longrepr)
    return text.removeprefix(REASON)


class ReceivedReports:
    """The reports of all tests, as they arrive at the process that concludes.

    Reports decide whether a test passed, not what its own process saw: plugins turn them.
    """

    def __init__(self) -> None:
        self._phases: dict[tuple[str, str], list[pytest.TestReport]] = {}  # by test and worker
        self._by_worker: dict[str, dict[str, TestResults]] = {}  # by test and worker
        self.places: dict[str, tuple[str, int | None]] = {}  # file and line of each test

    def add(self, report: pytest.TestReport) -> None:
        """Take in the report of one phase of a test; a new set-up begins a new run of it."""
        worker = getattr(report, "worker_id", "")
        key = report.nodeid, worker
        if report.when == "setup":
            self._phases[key] = []
        phases = self._phases.setdefault(key, [])
        phases.append(report)
        if hasattr(report, RESULTS):
            results = _concluded(serialization.loads(TestResults, getattr(report, RESULTS)), phases)
            self._by_worker.setdefault(results.test, {})[worker] = results
            file, line, _ = report.location
            self.places[results.test] = (file, None if line is None else line + 1)
        if report.when == "teardown":
            del self._phases[key]

    def tests(self) -> list[TestResults]:
        """Return the results of each test; of several workers, one that failed or else the newest.

        Under `--dist each` a test runs on every worker, and passed if it did on all of them.
        """
        return [
            min(reversed(on_workers.values()), key=lambda results: results.passed)
            for _, on_workers in sorted(self._by_worker.items())
        ]


def _concluded(results: TestResults, phases: list[pytest.TestReport]) -> TestResults:
    """Add to the results of a test what the reports of its phases say."""
    expected = any(hasattr(phase, "wasxfail") for phase in phases)
    accepted = all(phase.passed or hasattr(phase, BY_VERDICT) for phase in phases)
    skipped = [skip_reason(phase) for phase in phases if phase.skipped]
    return replace(
        results,
        passed=all(phase.passed for phase in phases) and not expected,
        acceptable=accepted and not expected,
        skipped=skipped[0] if skipped else None,
    )
