"""What pytest sees: options, marker, fixture and hooks, each a few lines that hand over.

Every run of pytest imports this, also one without a budget: what that does not need is imported
where it is used.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest

from pytest_flopbudget.errors import FlopBudgetError, SettingsError
from pytest_flopbudget.plugin.items import (
    NAME,
    check_marker,
    clash,
    failure,
    node_id,
    planned_path,
    uses_fixture,
)
from pytest_flopbudget.plugin.options import (
    CEILINGS,
    add_options,
    are_set,
    budget_folder,
    is_active,
)

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from pytest_flopbudget.plugin.fixture import FlopBudget
    from pytest_flopbudget.plugin.outcome import TestOutcome
    from pytest_flopbudget.settings.run import RunSettings

SETTINGS: pytest.StashKey[RunSettings] = pytest.StashKey()  # of an active run
OUTCOME: pytest.StashKey[TestOutcome] = pytest.StashKey()  # of a test in an active run
FIXTURE: pytest.StashKey[FlopBudget] = pytest.StashKey()  # its value, of a test that has it
CLASH = pytest.StashKey[FlopBudgetError]()
SKIP = "a compute budget: judge it with `pytest --flop-budget`, write it with `--update-budgets`"
MARKER = (
    f"{NAME}(name, metrics, {', '.join(CEILINGS)}, tolerance, layers, mode, engine, device, "
    "threads): how the compute budgets of a test are measured and judged"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER)
    active = is_active(config)
    if not active and not are_set(config):
        return
    from pytest_flopbudget.plugin.settings_reader import read_settings

    try:
        settings = read_settings(config)
    except SettingsError as error:
        raise pytest.UsageError(str(error)) from None
    if active:
        from pytest_flopbudget.plugin.runtest.seeding import Seeding
        from pytest_flopbudget.plugin.session import register

        config.stash[SETTINGS] = settings
        register(config, settings)
        if settings.seed is not None:
            config.pluginmanager.register(Seeding(settings.seed), "flopbudget-seeding")


def pytest_report_header(config: pytest.Config) -> list[str]:
    if SETTINGS not in config.stash:
        return []
    from pytest_flopbudget.report.run_summary import header_lines

    return header_lines(config.stash[SETTINGS])


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Keep plugins that collect YAML away from baselines; test files may lie among these."""
    if collection_path.suffix != ".yaml":
        return None
    return True if budget_folder(config) in collection_path.parents else None


def pytest_itemcollected(item: pytest.Item) -> None:
    if uses_fixture(item):
        item.add_marker(NAME)
        if SETTINGS not in item.config.stash:
            item.add_marker(pytest.mark.skip(reason=SKIP))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    owners: dict[str, pytest.Item] = {}
    for item in filter(uses_fixture, items):
        path = planned_path(item)
        owner = owners.setdefault(str(path).casefold(), item)
        if owner is not item:
            error = clash(path, node_id(owner), node_id(item))
            owner.stash[CLASH] = item.stash[CLASH] = error


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if FIXTURE in item.stash:
        del item.stash[FIXTURE]  # of a run before this one
    if SETTINGS in item.config.stash:
        from pytest_flopbudget.plugin.outcome import TestOutcome

        item.stash[OUTCOME] = TestOutcome()
    try:
        check_marker(item)
        if CLASH in item.stash:
            raise item.stash[CLASH]
    except FlopBudgetError as error:
        raise failure(str(error)) from None


@pytest.fixture
def flop_budget(request: pytest.FixtureRequest) -> FlopBudget:
    """Judge the compute budget of a model: `flop_budget(model, *args, **kwargs)`."""
    if SETTINGS not in request.config.stash:
        pytest.skip(SKIP)
    from pytest_flopbudget.plugin.fixture import FlopBudget

    item: pytest.Item = request.node
    item.stash[FIXTURE] = FlopBudget(item, item.config.stash[SETTINGS], item.stash[OUTCOME])
    return item.stash[FIXTURE]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    proposes = SETTINGS in item.config.stash and item.config.stash[SETTINGS].propose
    with item.stash[OUTCOME].deferred_failures() if proposes else nullcontext():
        result = yield
    fixture = item.stash.get(FIXTURE, None)
    if fixture is not None and not fixture.results:
        tried = "without success" if fixture.errors else "and never called it"
        raise failure(
            f"the test asked for `{NAME}` {tried}: nothing was measured\n\n"
            f"hint: call {NAME}(model, *args, **kwargs)"
        )
    if fixture is not None and any(one.judgement.failing for one in fixture.results):
        raise failure("a budget of this test failed, and the test went on as if it had not")
    return result


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    fixture = item.stash.get(FIXTURE, None)
    if fixture is None:
        return (yield)
    from pytest_flopbudget.plugin.runtest.tracebacks import hide_own_frames
    from pytest_flopbudget.plugin.session import attach

    if not item.config.getoption("fulltrace", default=False):
        hide_own_frames(call)
    report = yield
    fixture.outcome.add_phase(report, call.excinfo.value if call.excinfo else None)
    if report.when == "teardown":
        attach(report, fixture.test_results)
    return report
