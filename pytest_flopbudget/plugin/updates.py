"""What a run does to the budget folder: baselines written or proposed, and stale ones removed."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_flopbudget.baseline import store
from pytest_flopbudget.baseline.location import writable_file
from pytest_flopbudget.baseline.stale import StaleBaselines, owners, stale_baselines
from pytest_flopbudget.baseline.update import BaselineChange, UpdateKind, updated
from pytest_flopbudget.errors import BaselineError
from pytest_flopbudget.plugin.items import clash
from pytest_flopbudget.report.update_summary import typed_path
from pytest_flopbudget.verdict.judge_model import judge_ceilings
from pytest_flopbudget.verdict.result import NotJudged

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_flopbudget.plugin.collection import CollectedTests
    from pytest_flopbudget.settings.run import RunSettings
    from pytest_flopbudget.verdict.result import Result, TestResults


class BaselineUpdates:
    """The changes of a run to its baselines, and what went wrong with them."""

    def __init__(self, settings: RunSettings) -> None:
        self._settings = settings
        self.changes: list[BaselineChange] = []
        self.kept: list[str] = []  # titles of budgets whose test did not pass
        self.stale = StaleBaselines()
        self.removed: list[str] = []  # those of them that are no more
        self.errors: list[str] = []

    def write(self, result: Result) -> None:
        """Write or propose the baseline of a result."""
        try:
            self.changes.append(_write_baseline(result, self._settings))
        except BaselineError as error:
            self.errors.append(str(error))
        except OSError as error:
            self._complain(result.path, error)

    def note_proposals(self) -> None:
        """Write from which baselines the proposals began."""
        from pytest_flopbudget.baseline.proposals import manifest

        if self._settings.propose:
            try:
                manifest.note_proposals(self._settings.propose, self.changes)
            except OSError as error:
                self._complain(manifest.NAME, error)

    def remove(self, file: str) -> None:
        """Remove a stale baseline."""
        try:
            (self._settings.directory / file).unlink(missing_ok=True)
        except OSError as error:
            self.errors.append(f"{file}: cannot be removed: {error.strerror}")
        else:
            self.removed.append(file)

    def _complain(self, path: str, error: OSError) -> None:
        """Name the file that could not be written: a proposal is none of the baselines."""
        settings = self._settings
        folder = typed_path(settings.propose) if settings.propose else settings.shown_directory
        self.errors.append(f"{folder}/{path}: cannot be written: {error.strerror}")


def update_baselines(
    settings: RunSettings, tests: Sequence[TestResults], collected: CollectedTests, *, trims: bool
) -> BaselineUpdates:
    """Write or propose what the settings ask for, find the stale baselines, and remove them.

    Errors are collected, so that one file that cannot be written keeps no other from it.
    """
    updates = BaselineUpdates(settings)
    results = results_of(tests)
    clashes = _clashing_pairs(results)
    clashing = {result.path for pair in clashes for result in pair}
    updates.errors += [str(clash(one.path, one.title, other.title)) for one, other in clashes]
    writable = [r for r in _writable(settings, tests) if r.path not in clashing]
    updates.kept = sorted({r.title for r in results} - {r.title for r in writable})
    folder = settings.propose or settings.directory
    with store.locked(folder) if writable or trims or settings.propose else nullcontext():
        for result in writable:
            updates.write(result)
        updates.note_proposals()
        updates.stale = _stale_baselines(settings, tests, collected)
        for file in updates.stale.stale if trims else ():
            updates.remove(file)
    return updates


def _stale_baselines(
    settings: RunSettings, tests: Sequence[TestResults], collected: CollectedTests
) -> StaleBaselines:
    """Find the stale baselines: none in a folder outside of the rootdir, which others share."""
    if not Path(os.path.normpath(settings.directory)).is_relative_to(settings.root):
        return StaleBaselines()
    return stale_baselines(
        settings.directory,
        collected.status,
        used={*collected.planned, *(result.path for result in results_of(tests))},
        passed={test.test for test in tests if test.passed},
    )


def not_judged(
    settings: RunSettings, tests: Iterable[TestResults], collected: CollectedTests
) -> list[NotJudged]:
    """Return the tests that were skipped, and the baselines whose test file was."""
    shown = settings.shown_directory
    skipped = [
        NotJudged(test=test.test, file=f"{shown}/{test.path}", reason=test.skipped)
        for test in tests
        if test.has_budget and test.skipped is not None and not test.is_judged
    ]
    named = owners(settings.directory) if collected.skipped_files else ()
    not_collected = [
        NotJudged(test=test, file=f"{shown}/{file}", reason=reason)
        for file, test in named
        if (reason := collected.skip_reason(test)) is not None
    ]
    return [*skipped, *not_collected]


def results_of(tests: Iterable[TestResults]) -> list[Result]:
    """Return the results of tests, in the order of their baselines."""
    found = (result for test in tests for result in test.results)
    return sorted(found, key=lambda result: (result.path, result.title))


def _writable(settings: RunSettings, tests: Iterable[TestResults]) -> list[Result]:
    """Return the results to write, or to propose: of tests that ended well, below all ceilings."""
    if settings.update:
        ended_well = [test for test in tests if test.passed]
    elif settings.propose:
        ended_well = [test for test in tests if test.acceptable]
    else:
        return []
    return [
        result
        for result in results_of(ended_well)
        if not judge_ceilings(result.profile, result.budget_settings).failing
    ]


def _clashing_pairs(results: Sequence[Result]) -> list[tuple[Result, Result]]:
    """Return budgets that claim one name, which workers of xdist do not know of each other."""
    owners: dict[str, Result] = {}
    pairs = ((owners.setdefault(r.path.casefold(), r), r) for r in results)
    return [(owner, other) for owner, other in pairs if owner is not other]


def _write_baseline(result: Result, settings: RunSettings) -> BaselineChange:
    """Write what was measured into the baseline of a result, or into a proposal of it."""
    from pytest_flopbudget.baseline.reader import parse, read
    from pytest_flopbudget.baseline.scaling import updated_scaling
    from pytest_flopbudget.baseline.writer import text_of

    old = read(settings.directory / result.path, result.file)
    if result.scaling is not None:
        new = updated_scaling(
            old, result.profile, result.scaling.measured, result.budget_settings, result.test
        )
    else:
        new = updated(
            old,
            result.profile,
            result.budget_settings,
            result.test,
            adds_entry=settings.adds_entry or bool(settings.propose),
        )
    change = BaselineChange(path=result.path, file=result.file, old=old, new=new)
    folder = settings.propose or settings.directory
    if change.kind is not UpdateKind.UNCHANGED:
        parse(text := text_of(new), result.file)  # never write what cannot be read
        store.write(writable_file(folder, result.path), text)
    elif settings.propose:
        writable_file(folder, result.path).unlink(missing_ok=True)  # of a run before this one
    return change
