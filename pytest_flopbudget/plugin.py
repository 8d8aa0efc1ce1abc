"""What pytest sees: options, marker, fixture and hooks, each a few lines that hand over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import pytest

from pytest_flopbudget.errors import FlopBudgetError, SettingsError
from pytest_flopbudget.fixture import (
    ASKED,
    CLAIMS,
    NAME,
    FlopBudget,
    clash,
    failure,
    marker_arguments,
    planned_path,
)
from pytest_flopbudget.settings import OPTIONS, Settings, read_settings

if TYPE_CHECKING:
    from collections.abc import Generator

SETTINGS = pytest.StashKey[Settings]()
CLASH = pytest.StashKey[FlopBudgetError]()
SKIP = "a compute budget: judge it with `pytest --flop-budget`, write it with `--update-budgets`"
MARKER = (
    f"{NAME}(name, metrics, max_params, max_gflops, max_latency_ms, tolerance, layers, mode, "
    "engine, device, threads): how the compute budgets of a test are measured and judged"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("flop-budget", "compute budgets of PyTorch models")
    switch = group.addoption
    switch("--flop-budget", action="store_true", help="profile the models and judge them")
    switch("--no-flop-budget", action="store_false", dest="flop_budget", help="do not, after all")
    switch("--update-budgets", action="store_true", help="profile the models, write baselines")
    switch(
        "--flop-budget-trim",
        action="store_true",
        help="with --update-budgets: remove baselines whose test is gone",
    )
    for option in OPTIONS:
        if option.on_command_line:
            group.addoption(option.flag, dest=option.ini, metavar=option.metavar, help=option.help)
        kind: Literal["linelist", "string"] = "linelist" if option.is_list else "string"
        parser.addini(option.ini, option.help.replace("%%", "%"), type=kind, default=None)
    group.addoption("--flop-budget-json", metavar="FILE", help="write the report as JSON")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER)
    try:
        settings = read_settings(config)
    except SettingsError as error:
        raise pytest.UsageError(str(error)) from None
    config.stash[SETTINGS], config.stash[CLAIMS] = settings, {}
    if settings.active:
        from pytest_flopbudget.session import register

        register(config, settings)


def pytest_report_header(config: pytest.Config) -> list[str]:
    settings = config.stash[SETTINGS]
    if not settings.active:
        return []
    from pytest_flopbudget.report.terminal import header_lines

    return header_lines(settings)


def pytest_itemcollected(item: pytest.Item) -> None:
    if _uses_fixture(item):
        item.add_marker(NAME)
        if not item.config.stash[SETTINGS].active:
            item.add_marker(pytest.mark.skip(reason=SKIP))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    owners: dict[str, pytest.Item] = {}
    for item in filter(_uses_fixture, items):
        path = planned_path(item)
        owner = owners.setdefault(str(path).casefold(), item)
        if owner is not item:
            error = clash(path, owner.nodeid, item.nodeid)
            owner.stash[CLASH] = item.stash[CLASH] = error


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    item.stash[ASKED] = None
    try:
        if any(mark.name == NAME for mark in item.own_markers):
            marker_arguments(item)
            if not _uses_fixture(item):
                raise SettingsError(
                    f"marker `{NAME}`: the test does not use the fixture `{NAME}`, "
                    "so nothing would be measured",
                    f"add the argument `{NAME}` to the test and call it with a model",
                )
        if CLASH in item.stash:
            raise item.stash[CLASH]
    except FlopBudgetError as error:
        raise failure(str(error)) from None


@pytest.fixture
def flop_budget(request: pytest.FixtureRequest) -> FlopBudget:
    """Judge the compute budget of a model: `flop_budget(model, *args, **kwargs)`."""
    settings = request.config.stash[SETTINGS]
    if not settings.active:
        pytest.skip(SKIP)
    return FlopBudget(request.node, settings)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    result = yield
    asked = item.stash[ASKED]
    if asked is not None and not asked.results:
        tried = "without success" if asked.errors else "and never called it"
        raise failure(
            f"the test asked for `{NAME}` {tried}: nothing was measured\n\n"
            f"hint: call {NAME}(model, *args, **kwargs)"
        )
    return result


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    asked = item.stash.get(ASKED, None)
    if asked is not None:
        asked.passed = asked.passed and report.passed and not hasattr(report, "wasxfail")
        if report.when == "teardown":
            from pytest_flopbudget.session import attach

            attach(report, asked.outcome)
    return report


def _uses_fixture(item: Any) -> bool:
    return NAME in getattr(item, "fixturenames", ())
