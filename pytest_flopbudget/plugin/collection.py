"""The tests that a run collected, on all workers, to know which tests exist no more."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import pytest

from pytest_flopbudget.baseline.location import TestId
from pytest_flopbudget.baseline.stale import TestStatus
from pytest_flopbudget.plugin.items import node_id, planned_path
from pytest_flopbudget.plugin.runtest.fixture_use import asks
from pytest_flopbudget.plugin.runtest.reports import skip_reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

COLLECTED: pytest.StashKey[CollectedTests] = pytest.StashKey()  # of the config
OUTPUT = "flop_budget_collected"  # what a worker sends to the controller


class CollectedTests:
    """The tests that a run collected, and the files that it collected in whole or in part."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._tests: set[str] = set()  # before any deselection
        self._planned: set[str] = set()  # the baselines that they will use
        self._skipped: dict[str, str] = {}  # files and packages that skipped themselves, and why
        self._files: set[str] = set()  # that were collected, also if they have no test
        self._incomplete: set[str] = set()  # files with tests that were deselected, or an error
        self._outside: set[str] = set()  # files outside of the rootdir: the run decides their names
        self._finished = False  # neither Ctrl-C nor `-x` stopped the collection

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        self._add(item)
        if not item.path.is_relative_to(self._config.rootpath):
            self._outside.add(TestId.parse(item.nodeid).file)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: Iterable[pytest.Item]) -> None:
        self._finished = True
        for item in items:
            self._add(item)  # under the name that a conftest gave it meanwhile

    def _add(self, item: pytest.Item) -> None:
        self._tests.add(node_id(item))
        if asks(item):
            self._planned.add(str(planned_path(item)))

    def pytest_deselected(self, items: Iterable[pytest.Item]) -> None:
        self._incomplete.update(TestId.parse(item.nodeid).file for item in items)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        file = TestId.parse(report.nodeid).file
        (self._files if report.passed else self._incomplete).add(file)
        if report.skipped:
            self._skipped[file] = skip_reason(report)

    def pytest_sessionfinish(self) -> None:
        if hasattr(self._config, "workeroutput") and self._finished:
            self._config.workeroutput[OUTPUT] = [_sent(found) for found in self._found()]

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        found = getattr(node, "workeroutput", {}).get(OUTPUT)
        if found is None:
            return  # a crashed worker; the others have collected the same
        self._finished = True
        for own, theirs in zip(self._found(), found, strict=True):
            own.update(theirs)

    @property
    def planned(self) -> set[str]:
        """The baselines that the collected tests use if they call the fixture plainly."""
        return self._planned

    def status(self, test: str) -> TestStatus:
        """Return whether a test exists no more; not where this run did not see enough to know."""
        parsed = TestId.parse(test)
        if test in self._tests:
            return TestStatus.UNKNOWN
        is_there = bool(self._outside) or (self._config.rootpath / parsed.file).exists()
        if parsed.file not in self._whole_files() and is_there:
            return TestStatus.UNKNOWN
        function = "::".join((parsed.file, *parsed.names))
        if parsed.parameters is not None and self._has_function(function):
            return TestStatus.NOT_COLLECTED
        return TestStatus.GONE

    @property
    def skipped_files(self) -> bool:
        """Whether any file or package skipped itself."""
        return bool(self._skipped)

    def skip_reason(self, test: str) -> str | None:
        """Return why the file of a test, or a package around it, skipped itself, if it did."""
        file = PurePosixPath(TestId.parse(test).file)
        places = (place.as_posix() for place in (file, *file.parents))
        return next((self._skipped[place] for place in places if place in self._skipped), None)

    def _has_function(self, function: str) -> bool:
        """Return whether a function is there, with whatever parameters."""
        return function in self._tests or any(t.startswith(f"{function}[") for t in self._tests)

    def _whole_files(self) -> set[str]:
        """Return the files of which every test was collected."""
        option = self._config.getoption
        named = {arg.partition("::")[0] for arg in self._config.args if "::" in arg}
        if not self._finished or option("lf", default=False) or (named and option("pyargs")):
            return set()
        by_node = {file for argument in named for file in self._relative(argument)}
        return self._files - self._incomplete - by_node - self._outside - {""}  # the session's own

    def _found(self) -> tuple[Any, ...]:
        sets = self._tests, self._planned, self._files, self._incomplete, self._outside
        return (*sets, self._skipped)

    def _relative(self, argument: str) -> Iterator[str]:
        """Yield the names that node ids have for a file: as typed, and without symbolic links."""
        path, root = self._config.invocation_params.dir / argument, self._config.rootpath
        for file, folder in ((os.path.normpath(path), root), (path.resolve(), root.resolve())):
            with suppress(ValueError):
                yield Path(file).relative_to(folder).as_posix()


def _sent(found: set[str] | dict[str, str]) -> list[Any]:
    """Return a set or dictionary as xdist can send it, and `update` can take it in."""
    return sorted(found.items() if isinstance(found, dict) else found)
