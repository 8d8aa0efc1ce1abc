"""The session: gathers the results of all tests from all workers, and reports them at its end."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pytest_flopbudget.base_commit.comparison import compare_with
from pytest_flopbudget.escaping import visible, visible_lines
from pytest_flopbudget.plugin.collection import COLLECTED, CollectedTests
from pytest_flopbudget.plugin.runtest.reports import ReceivedReports
from pytest_flopbudget.plugin.updates import (
    BaselineUpdates,
    not_judged,
    results_of,
    update_baselines,
)
from pytest_flopbudget.report import run_summary, terminal, update_summary
from pytest_flopbudget.report.base_diff import increase_lines
from pytest_flopbudget.report.files import write_reports
from pytest_flopbudget.report.github.annotations import annotation_lines
from pytest_flopbudget.report.github.step_summary import append_summary
from pytest_flopbudget.report.run import Run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_flopbudget.settings.run import RunSettings

ANNOTATES_FAILURES = "pytest_github_actions_annotate_failures"  # a plugin that does it as well
FINISHED = (  # exit statuses of a run that got to its end
    pytest.ExitCode.OK,
    pytest.ExitCode.TESTS_FAILED,
    pytest.ExitCode.NO_TESTS_COLLECTED,
)


def register(config: pytest.Config, settings: RunSettings) -> None:
    """Register what an active run needs: every process collects, one of them concludes."""
    collected = CollectedTests(config)
    config.stash[COLLECTED] = collected
    config.pluginmanager.register(collected, "flopbudget-collected")
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Session(settings, collected), "flopbudget-session")


class Session:
    """The results of a run, in the process that reports them: the only one, or the controller."""

    def __init__(self, settings: RunSettings, collected: CollectedTests) -> None:
        self._settings = settings
        self._collected = collected
        self._reports = ReceivedReports()
        self._run = Run(settings=settings, results=())  # until it has ended
        self._updates = BaselineUpdates(settings)
        self._complaints: list[str] = []  # about what decides nothing

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._reports.add(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        settings, tests = self._settings, self._reports.tests()
        only_collected = session.config.option.collectonly
        finished = session.exitstatus in FINISHED and not only_collected
        self._updates = update_baselines(
            settings, tests, self._collected, trims=settings.trim and finished
        )
        run = Run(
            settings=settings,
            results=tuple(results_of(tests)),
            unjudged=tuple(unjudged for test in tests for unjudged in test.unjudged),
            not_judged=tuple(not_judged(settings, tests, self._collected)),
            stale=self._updates.stale,
            removed=tuple(self._updates.removed),
            errors=tuple(self._updates.errors),
            places=self._reports.places,
            base=None if settings.base is None else compare_with(settings.base, settings),
        )
        self._run = replace(run, errors=(*run.errors, *write_reports(run)))
        if settings.github and not only_collected:
            self._complaints = append_summary(self._run)
        failed = self._run.errors or self._run.found_fails
        if failed and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        run = self._run
        if not run.has_news:
            return
        config = terminalreporter.config
        terminalreporter.section("flop budgets")
        for line in summary_lines(run, self._updates, config.get_terminal_writer().fullwidth):
            terminalreporter.write_line(visible(line))  # names come from tests and models
        for error in run.errors:
            terminalreporter.write_line(visible_lines(error), red=True)
        for complaint in self._complaints:
            terminalreporter.write_line(visible(complaint), yellow=True)
        if run.settings.github:
            annotated = config.pluginmanager.hasplugin(ANNOTATES_FAILURES)
            for line in annotation_lines(run, failures=not annotated):
                terminalreporter.write_line(line)


def summary_lines(run: Run, updates: BaselineUpdates, width: int) -> Iterator[str]:
    """Yield what the terminal summary says of a run: its budgets, then its baselines."""
    yield from terminal.budget_lines(run.results)
    if run.settings.spares_verdicts:
        yield from terminal.failure_texts(run.results)
    yield from terminal.improvement_lines(run.results)
    yield from terminal.table_lines(run.settings, run.results, width)
    for result in run.results:
        if result.built_for_real:
            yield f"{result.title}: built for real, since it {result.built_for_real}"
    yield ""
    yield from run_summary.outcome_lines(
        run.settings, run.results, len(run.unjudged), run.not_judged
    )
    if run.settings.update:
        yield from update_summary.change_lines(updates.changes, updates.kept)
    elif run.settings.propose:
        yield from update_summary.proposal_lines(run.settings, updates.changes)
    yield from run_summary.stale_lines(run.settings, run.stale, run.removed)
    if run.base is not None:
        yield from increase_lines(run.base)
    if run.settings.spares_verdicts:
        yield run_summary.report_only_line(run.results)
