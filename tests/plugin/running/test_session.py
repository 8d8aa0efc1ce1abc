"""What a whole run makes of the outcomes of its tests, without running any."""

from __future__ import annotations

from itertools import chain, permutations
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest

from pytest_flopbudget.plugin.collection import CollectedTests
from pytest_flopbudget.plugin.session import Session
from pytest_flopbudget.verdict.judge_model import judge_ceilings
from tests.plugin.reports import phases_of
from tests.strategies import budget_settings, profile, result, settings

if TYPE_CHECKING:
    from pathlib import Path

FILE = "tests/test_net/test_net.yaml"


def reports(*, passed: bool, worker: str = "") -> list[Any]:
    one = result(profile(), None, judgement=judge_ceilings(profile(), budget_settings()))
    return phases_of(one, passed=passed, worker=worker)


def written(directory: Path, *runs: list[Any]) -> bool:
    """End a run with the reports of runs of a test, and tell whether it wrote the baseline."""
    config: Any = SimpleNamespace(rootpath=directory, args=[], getoption=lambda *_, **__: None)
    session = Session(settings(update=True, directory=directory), CollectedTests(config))
    for one in chain.from_iterable(runs):
        session.pytest_runtest_logreport(one)
    ended: Any = SimpleNamespace(exitstatus=pytest.ExitCode.OK, config=Mock())
    session.pytest_sessionfinish(ended)
    return (directory / FILE).exists()


@pytest.mark.parametrize("last", [True, False])
def test_the_last_run_of_a_test_counts(tmp_path: Path, last: bool) -> None:
    assert written(tmp_path, reports(passed=not last), reports(passed=last)) is last


@pytest.mark.parametrize("passed", [(True, True), (True, False), (False, False)])
def test_of_several_workers_one_that_fails_decides(
    tmp_path: Path, passed: tuple[bool, bool]
) -> None:
    """As under `--dist each`, whichever of them ends first."""
    runs = [reports(passed=one, worker=f"gw{i}") for i, one in enumerate(passed)]
    for order in permutations(runs):
        assert written(tmp_path / str(order[0][0].worker_id), *order) is all(passed)


def test_a_rerun_on_one_of_several_workers_counts(tmp_path: Path) -> None:
    first, again = (reports(passed=passed, worker="gw0") for passed in (False, True))
    assert written(tmp_path, first, reports(passed=True, worker="gw1"), again)
