"""The fixture, and the hooks of a test's phases: how set-up, call and teardown begin and end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_flopbudget.errors import FlopBudgetError
from pytest_flopbudget.plugin.hooks import CLASH, SETTINGS
from pytest_flopbudget.plugin.items import (
    NAME,
    check_arguments,
    check_repetition,
    failure,
    has_own_marker,
)
from pytest_flopbudget.plugin.runtest.fixture_use import asks, awaits_teardown, is_offered

if TYPE_CHECKING:
    from collections.abc import Generator

    from pytest_flopbudget.plugin.fixture import FlopBudget
    from pytest_flopbudget.plugin.outcome import TestOutcome

OUTCOME: pytest.StashKey[TestOutcome] = pytest.StashKey()  # of a test in an active run
FIXTURE: pytest.StashKey[FlopBudget] = pytest.StashKey()  # its value, of a test that has it
CALL_IT = f"call {NAME}(model, *args, **kwargs)"


@pytest.fixture
def flop_budget(request: pytest.FixtureRequest) -> FlopBudget:
    """Judge the compute budget of a model: `flop_budget(model, *args, **kwargs)`."""
    from pytest_flopbudget.plugin.fixture import FlopBudget, InactiveFlopBudget

    item: pytest.Item = request.node
    if SETTINGS not in item.config.stash:
        return InactiveFlopBudget()
    item.stash[FIXTURE] = FlopBudget(item, item.config.stash[SETTINGS], item.stash[OUTCOME])
    return item.stash[FIXTURE]


@pytest.hookimpl(wrapper=True, trylast=True)  # what pytest prepares, its teardown asks for
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    try:
        check_arguments(item)
        if asks(item):
            check_repetition(item)
        if CLASH in item.stash:
            raise item.stash[CLASH]
    except FlopBudgetError as error:
        raise failure(str(error)) from None
    if SETTINGS not in item.config.stash:
        return (yield)
    from pytest_flopbudget.plugin.outcome import TestOutcome

    item.stash[OUTCOME] = TestOutcome(defers=item.config.stash[SETTINGS].propose is not None)
    if FIXTURE in item.stash:
        del item.stash[FIXTURE]  # of a run before this one
    with item.stash[OUTCOME].enforced("setup"):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    if OUTCOME not in item.stash:
        return (yield)
    with item.stash[OUTCOME].enforced("call"):
        result = yield
    if not awaits_teardown(item):
        _check_called(item)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    if OUTCOME not in item.stash:
        return (yield)
    with item.stash[OUTCOME].enforced("teardown"):
        result = yield
    if awaits_teardown(item) and item.stash[OUTCOME].call_passed:
        _check_called(item)
    return result


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    fixture = item.stash.get(FIXTURE, None)
    if SETTINGS not in item.config.stash or (fixture is None and not asks(item)):
        return (yield)
    from pytest_flopbudget.plugin.runtest.reports import attach_results, attach_verdict
    from pytest_flopbudget.plugin.runtest.tracebacks import hide_own_frames

    if not item.config.getoption("fulltrace", default=False):
        hide_own_frames(call)
    report = yield
    error = call.excinfo.value if call.excinfo else None
    if OUTCOME in item.stash and item.stash[OUTCOME].failed_by_verdict(error):
        attach_verdict(report)
    if report.when == "teardown":
        attach_results(report, item, fixture)
    return report


def _check_called(item: pytest.Item) -> None:
    """Fail a test that asked for the fixture, or has a marker of its own, and measured nothing."""
    fixture = item.stash.get(FIXTURE, None)
    if fixture is not None and fixture.was_called:
        return
    if fixture is None and has_own_marker(item):
        raise failure(
            f"marker `{NAME}`: the test never obtained the fixture `{NAME}`, "
            f"so nothing was measured\n\nhint: add the argument `{NAME}` to the test, and {CALL_IT}"
        )
    if fixture is not None and not is_offered(item):
        raise failure(
            f"the test asked for `{NAME}` and never called it: nothing was measured\n\n"
            f"hint: {CALL_IT}"
        )
