"""What was collected, to know which baselines are stale: those whose test is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_flopbudget.errors import BaselineError
from pytest_flopbudget.items import node_id
from pytest_flopbudget.names import TestId

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pytest_flopbudget.settings import Settings

COLLECTED: pytest.StashKey[Collected] = pytest.StashKey()  # of the config
OUTPUT = "flop_budget_collected"  # what a worker sends to the controller


class Collected:
    """The tests that exist, and the files of which only a part was looked at."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._tests: set[str] = set()  # before any deselection
        self._files: set[str] = set()  # those that were looked into, also if they have no test
        self._partial: set[str] = set()

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        self._tests.add(node_id(item))

    def pytest_deselected(self, items: Iterable[pytest.Item]) -> None:
        self._partial.update(TestId.parse(item.nodeid).file for item in items)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        file = TestId.parse(report.nodeid).file
        (self._files if report.passed else self._partial).add(file)

    def pytest_sessionfinish(self) -> None:
        if hasattr(self._config, "workeroutput"):
            self._config.workeroutput[OUTPUT] = [
                sorted(found) for found in (self._tests, self._files, self._partial)
            ]

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        tests, files, partial = getattr(node, "workeroutput", {}).get(OUTPUT, ((), (), ()))
        self._tests.update(tests)
        self._files.update(files)
        self._partial.update(partial)

    def is_gone(self, test: str) -> bool:
        """Tell whether a test does not exist any more, as far as this run can know."""
        home = TestId.parse(test).file
        if test in self._tests:
            return False
        return home in self._whole_files() or not (self._config.rootpath / home).exists()

    def stale(self, settings: Settings) -> list[str]:
        """List the stale baselines, relative to the budget folder."""
        return [
            file.relative_to(settings.directory).as_posix()
            for file in sorted(settings.directory.rglob("*.yaml"))
            if (test := _test_of(file)) is not None and self.is_gone(test)
        ]

    def _whole_files(self) -> set[str]:
        """Return the files that were collected from end to end."""
        if self._config.getoption("lf", default=False):
            return set()
        named = {arg.partition("::")[0] for arg in self._config.args if "::" in arg}
        by_node = {self._relative(file) for file in named}
        return self._files - self._partial - by_node

    def _relative(self, argument: str) -> str:
        path = self._config.invocation_params.dir / argument
        try:
            return path.resolve().relative_to(self._config.rootpath.resolve()).as_posix()
        except ValueError:
            return argument


def _test_of(file: Path) -> str | None:
    """Read the test that a baseline names in its head; an invalid file is nobody's."""
    from pytest_flopbudget.baseline.nodes import parse

    try:
        head = file.read_text(encoding="utf-8").partition("\ntotal:")[0]
        return parse(head, str(file)).entries()["test"].text()
    except (BaselineError, KeyError, OSError, UnicodeDecodeError):
        return None
