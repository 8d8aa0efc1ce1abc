"""Runs that update many baselines, made of the end of a real one: from reports to files."""

from __future__ import annotations

import mmap
import os
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

from pytest_flopbudget.baseline import store
from pytest_flopbudget.baseline.update import updated
from pytest_flopbudget.baseline.writer import text_of
from pytest_flopbudget.plugin.collection import CollectedTests
from pytest_flopbudget.plugin.session import Session
from pytest_flopbudget.verdict.judge_model import judge_ceilings
from tests.plugin.reports import phases_of
from tests.strategies import budget_settings, profile, result, settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pytest_flopbudget.profile.model_profile import ModelProfile

BUDGETS = 50
LAYERS = 8
CRASHED = 70  # exit status


def naive_write(file: Path, text: str) -> None:
    """Write as one would who does not think of crashes."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8") as stream:
        stream.write(text)


class Runs:
    """A folder of baselines that have one of two states, and runs that update it to either."""

    def __init__(self, directory: Path, write: Callable[[Path, str], None]) -> None:
        self.directory = directory
        self.write = write
        self.texts = [_texts(state) for state in (0, 1)]
        self._reports = [_reports(state) for state in (0, 1)]
        self._renamed = mmap.mmap(-1, 1)  # shared with the runs

    @property
    def renamed(self) -> int:
        """How many files the newest run has replaced."""
        return self._renamed[0]

    def start(self, state: int, first: Callable[[], object] = lambda: None) -> int:
        """Fork a run that updates all baselines to a state, after doing something first.

        Returns:
            Its process.
        """
        self._renamed[0] = 0
        process = os.fork()
        if not process:
            try:
                first()
                status = self._update(state)
            except BaseException as error:  # noqa: BLE001 - what was forked must end here
                print(repr(error), file=sys.stderr, flush=True)  # noqa: T201
                status = CRASHED
            os._exit(status)
        return process

    def files(self) -> dict[str, bytes]:
        """Read all files in the folder, of whatever name."""
        found = (path for path in self.directory.rglob("*") if path.is_file())
        return {path.relative_to(self.directory).as_posix(): path.read_bytes() for path in found}

    def _update(self, state: int) -> int:
        store.write = self._counted_write
        asked = settings(update=True, directory=self.directory)
        nowhere: Any = SimpleNamespace(
            rootpath=self.directory, args=[], getoption=lambda *_, **__: None
        )
        session = Session(asked, CollectedTests(nowhere))
        for report in self._reports[state]:
            session.pytest_runtest_logreport(report)
        ended: Any = SimpleNamespace(exitstatus=0, config=Mock())
        session.pytest_sessionfinish(ended)
        return int(ended.exitstatus)

    def _counted_write(self, file: Path, text: str) -> None:
        self.write(file, text)
        self._renamed[0] += 1


def _measured(number: int, state: int) -> ModelProfile:
    layers = {
        f"layers.{i}.conv": ("Conv2d", 100 + i + state * number, 10**6 * i) for i in range(LAYERS)
    }
    return profile({**layers, "head": ("Linear", 10 + state, 10**6)})


def _test(number: int) -> str:
    return f"tests/test_net.py::test_net[{number}]"


def _path(number: int) -> str:
    return f"tests/test_net/test_net[{number}].yaml"


def _texts(state: int) -> dict[str, bytes]:
    """Make the files of a state."""
    new = (
        (n, updated(None, _measured(n, state), budget_settings(), _test(n), adds_entry=False))
        for n in range(BUDGETS)
    )
    return {_path(number): text_of(baseline).encode() for number, baseline in new}


def _reports(state: int) -> list[Any]:
    """Make the reports of the tests that measured a state."""
    return [report for number in range(BUDGETS) for report in _phases(number, state)]


def _phases(number: int, state: int) -> list[Any]:
    measured, path = _measured(number, state), _path(number)
    one = result(
        measured,
        None,
        test=_test(number),
        path=path,
        file=f"budgets/{path}",
        judgement=judge_ceilings(measured, budget_settings()),
    )
    return phases_of(one)
