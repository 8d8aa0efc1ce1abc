"""What a whole run makes of the outcomes of its tests, without running any."""

from __future__ import annotations

from itertools import permutations
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest

from pytest_flopbudget import serialization
from pytest_flopbudget.plugin.collection import CollectedTests
from pytest_flopbudget.plugin.session import ATTRIBUTE, Session
from pytest_flopbudget.verdict.judge_model import judge_ceilings
from pytest_flopbudget.verdict.result import TestResults
from tests.strategies import budget_settings, profile, result, settings

if TYPE_CHECKING:
    from pathlib import Path

FILE = "tests/test_net/test_net.yaml"


def report(*, passed: bool, worker: str = "") -> Any:
    """Make the last report of a test, as it arrives."""
    one = result(profile(), None, judgement=judge_ceilings(profile(), budget_settings()))
    outcome = TestResults(
        test=one.test, passed=passed, acceptable=passed, results=(one,), unjudged=()
    )
    place = ("tests/test_net.py", 0, "test_net")
    return SimpleNamespace(
        **{ATTRIBUTE: serialization.encode(outcome)}, worker_id=worker, location=place
    )


def written(directory: Path, *reports: Any) -> bool:
    """End a run with these reports, and tell whether it wrote the baseline."""
    config: Any = SimpleNamespace(rootpath=directory, args=[], getoption=lambda *_, **__: None)
    session = Session(settings(update=True, directory=directory), CollectedTests(config))
    for one in reports:
        session.pytest_runtest_logreport(one)
    ended: Any = SimpleNamespace(exitstatus=pytest.ExitCode.OK, config=Mock())
    session.pytest_sessionfinish(ended)
    return (directory / FILE).exists()


@pytest.mark.parametrize("last", [True, False])
def test_the_last_run_of_a_test_counts(tmp_path: Path, last: bool) -> None:
    assert written(tmp_path, report(passed=not last), report(passed=last)) is last


@pytest.mark.parametrize("passed", [(True, True), (True, False), (False, False)])
def test_of_several_workers_one_that_fails_decides(
    tmp_path: Path, passed: tuple[bool, bool]
) -> None:
    """As under `--dist each`, whichever of them ends first."""
    reports = [report(passed=one, worker=f"gw{i}") for i, one in enumerate(passed)]
    for order in permutations(reports):
        assert written(tmp_path / str(order[0].worker_id), *order) is all(passed)


def test_a_rerun_on_one_of_several_workers_counts(tmp_path: Path) -> None:
    first, again = (report(passed=passed, worker="gw0") for passed in (False, True))
    assert written(tmp_path, first, report(passed=True, worker="gw1"), again)
