"""A whole run: gathers the results of all workers, writes baselines and reports at its end."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest

from pytest_flopbudget import serialization
from pytest_flopbudget.base_commit.comparison import compare_with
from pytest_flopbudget.baseline.location import inside
from pytest_flopbudget.baseline.store import locked
from pytest_flopbudget.baseline.update import UpdateKind, update_kind, updated
from pytest_flopbudget.errors import BaselineError
from pytest_flopbudget.escaping import visible
from pytest_flopbudget.plugin.collection import COLLECTED, CollectedTests
from pytest_flopbudget.plugin.items import clash
from pytest_flopbudget.report import terminal, update_summary
from pytest_flopbudget.report.base_diff import increase_lines
from pytest_flopbudget.report.files import write_reports
from pytest_flopbudget.report.github.annotations import annotation_lines
from pytest_flopbudget.report.github.step_summary import append_summary
from pytest_flopbudget.report.run import Run
from pytest_flopbudget.report.run_summary import outcome_lines, stale_lines
from pytest_flopbudget.verdict.judge_model import judge_ceilings
from pytest_flopbudget.verdict.result import Result, TestResults, Unjudged

if TYPE_CHECKING:
    from pytest_flopbudget.base_commit.comparison import BaseComparison
    from pytest_flopbudget.settings.run import RunSettings

ANNOTATES_FAILURES = "pytest_github_actions_annotate_failures"  # a plugin that does it as well
FINISHED = (  # exit statuses of a run that got to its end
    pytest.ExitCode.OK,
    pytest.ExitCode.TESTS_FAILED,
    pytest.ExitCode.NO_TESTS_COLLECTED,
)
ATTRIBUTE = "flop_budget"  # of a test report, on its way from a worker to the controller


def register(config: pytest.Config, settings: RunSettings) -> None:
    """Register what an active run needs: every process collects, one of them concludes."""
    collected = CollectedTests(config)
    config.stash[COLLECTED] = collected
    config.pluginmanager.register(collected, "flopbudget-collected")
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Session(settings, collected), "flopbudget-session")


def attach(report: pytest.TestReport, outcome: TestResults) -> None:
    """Give the outcome of a test to its last report, so that it reaches the controller."""
    setattr(report, ATTRIBUTE, serialization.encode(outcome))


class Session:
    """What the process that talks to the user knows of the run."""

    def __init__(self, settings: RunSettings, collected: CollectedTests) -> None:
        self._settings = settings
        self._collected = collected
        self._outcomes: dict[str, TestResults] = {}  # by test, of its newest run
        self._by_worker: dict[str, dict[str, TestResults]] = {}  # by test and worker of xdist
        self._claimed_twice: set[str] = set()  # paths of baselines
        self._changes: list[tuple[Result, UpdateKind]] = []
        self._stale: list[str] = []
        self._removed: list[str] = []
        self._places: dict[str, tuple[str, int | None]] = {}  # file and line of each test
        self._base: BaseComparison | None = None
        self._complaints: list[str] = []  # about what decides nothing
        self._errors: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if hasattr(report, ATTRIBUTE):
            outcome = serialization.decode(TestResults, getattr(report, ATTRIBUTE))
            ran = self._by_worker.setdefault(outcome.test, {})
            ran[getattr(report, "worker_id", "")] = outcome  # a rerun replaces the run before it
            # Under `--dist each` a test runs on every worker, and passed if it did on all of them.
            failed = (one for one in ran.values() if not one.passed)
            self._outcomes[outcome.test] = next(failed, outcome)
            file, line, _ = report.location
            self._places[outcome.test] = (file, None if line is None else line + 1)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        settings = self._settings
        trims = settings.trim and session.exitstatus in FINISHED
        trims = trims and not session.config.option.collectonly
        self._find_clashes()
        found = self._writable
        with locked(settings.propose or settings.directory) if found or trims else nullcontext():
            self._changes = [c for r in found if (c := self._update(r)) is not None]
            self._stale = self._collected.stale(settings)
            for file in self._stale if trims else ():
                self._remove(file)
        if settings.base is not None:
            self._base = compare_with(settings.base, settings)
        self._errors += write_reports(self._run)
        if settings.github and not session.config.option.collectonly:
            self._complaints += append_summary(self._run)
        failed = self._errors or self._run.stale_fails
        if failed and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        results = self._results
        unjudged = self._unjudged
        if not any((results, unjudged, self._stale, self._base, self._errors)):
            return
        settings = self._settings
        width = terminalreporter.config.get_terminal_writer().fullwidth
        terminalreporter.section("flop budgets")
        lines = [
            *terminal.budget_lines(results),
            *terminal.improvement_lines(results),
            *terminal.table_lines(settings, results, width),
        ]
        lines += ["", *outcome_lines(settings, results, len(unjudged))]
        if settings.update:
            kept = sorted({r.title for r in results} - {r.title for r in self._passed})
            lines += update_summary.change_lines(self._changes, kept)
        elif settings.propose:
            lines += update_summary.proposal_lines(settings, self._changes)
        lines += stale_lines(settings, self._stale, self._removed)
        lines += [] if self._base is None else increase_lines(self._base)
        for line in lines:
            terminalreporter.write_line(visible(line))  # names come from tests and models
        for error in self._errors:
            terminalreporter.write_line(error, red=True)
        for complaint in self._complaints:
            terminalreporter.write_line(complaint, yellow=True)
        if settings.github:
            annotated = terminalreporter.config.pluginmanager.hasplugin(ANNOTATES_FAILURES)
            for line in annotation_lines(self._run, failures=not annotated):
                terminalreporter.write_line(line)

    @property
    def _run(self) -> Run:
        return Run(
            settings=self._settings,
            results=tuple(self._results),
            unjudged=tuple(self._unjudged),
            stale=tuple(self._stale),
            removed=tuple(self._removed),
            errors=tuple(self._errors),
            places=self._places,
            base=self._base,
        )

    @property
    def _results(self) -> list[Result]:
        found = [result for outcome in self._outcomes.values() for result in outcome.results]
        return sorted(found, key=lambda result: (result.path, result.title))

    @property
    def _unjudged(self) -> list[Unjudged]:
        return [one for test in sorted(self._outcomes) for one in self._outcomes[test].unjudged]

    @property
    def _unrivalled(self) -> list[Result]:
        """The results whose baseline no other budget claims."""
        return [result for result in self._results if result.path not in self._claimed_twice]

    @property
    def _passed(self) -> list[Result]:
        """The results that may be written: of tests that passed to the end."""
        return [
            result
            for result in self._unrivalled
            if self._outcomes[result.test].passed and not result.judgement.failing
        ]

    @property
    def _acceptable(self) -> list[Result]:
        """The results that an update would write: of tests that failed by nothing else."""
        return [
            result
            for result in self._unrivalled
            if self._outcomes[result.test].acceptable
            and not judge_ceilings(result.profile, result.budget_settings).failing
        ]

    @property
    def _writable(self) -> list[Result]:
        """The results to write, into the budget folder or where they are proposed."""
        if self._settings.update:
            return self._passed
        return self._acceptable if self._settings.propose else []

    def _find_clashes(self) -> None:
        """Find the budgets that claim one name, which workers do not know of each other."""
        owners: dict[str, Result] = {}
        for result in self._results:
            owner = owners.setdefault(result.path.casefold(), result)
            if owner is not result:
                self._claimed_twice |= {owner.path, result.path}
                self._errors.append(str(clash(owner.path, owner.title, result.title)))

    def _update(self, result: Result) -> tuple[Result, UpdateKind] | None:
        """Write or propose a baseline; what goes wrong is said at the end, after the others."""
        from pytest_flopbudget.baseline.reader import parse, read
        from pytest_flopbudget.baseline.store import write
        from pytest_flopbudget.baseline.writer import text_of

        settings = self._settings
        try:
            old = read(inside(settings.directory, result.path), result.file)
            new = updated(
                old,
                result.profile,
                result.budget_settings,
                result.test,
                adds_entry=settings.adds_entry or bool(settings.propose),
            )
            did = update_kind(old, new)
            file = inside(settings.propose or settings.directory, result.path)
            if did is not UpdateKind.UNCHANGED:
                parse(text := text_of(new), result.file)  # never write what cannot be read
                write(file, text)
            elif settings.propose:
                file.unlink(missing_ok=True)  # of a run before this one
        except BaselineError as error:
            self._errors.append(str(error))
            return None
        except OSError as error:
            self._errors.append(f"{result.file}: cannot be written: {error.strerror}")
            return None
        return result, did

    def _remove(self, file: str) -> None:
        try:
            (self._settings.directory / file).unlink(missing_ok=True)
        except OSError as error:
            self._errors.append(f"{file}: cannot be removed: {error.strerror}")
        else:
            self._removed.append(file)
