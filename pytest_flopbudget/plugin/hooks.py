"""What pytest sees: options, marker, fixture and hooks, each a few lines that hand over.

Every run of pytest imports this, also one without a budget: what that does not need is imported
where it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_flopbudget.errors import FlopBudgetError, SettingsError
from pytest_flopbudget.escaping import visible
from pytest_flopbudget.plugin.declared.location import add_to_arguments
from pytest_flopbudget.plugin.items import (
    NAME,
    SKIP,
    clash,
    collected_twice,
    node_id,
    planned_path,
)
from pytest_flopbudget.plugin.options import (
    CEILINGS,
    add_options,
    are_set,
    budget_folder,
    is_active,
    only_asks,
)
from pytest_flopbudget.plugin.runtest.fixture_use import asks

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_flopbudget.settings.run import RunSettings

SETTINGS: pytest.StashKey[RunSettings] = pytest.StashKey()  # of an active run
CLASH = pytest.StashKey[FlopBudgetError]()
MARKER = (
    f"{NAME}(name, metrics, {', '.join(CEILINGS)}, tolerance, layers, mode, engine, device, "
    "threads): how the compute budgets of a test are measured and judged"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER)
    add_to_arguments(config)
    active = is_active(config)
    if not active and (only_asks(config) or not are_set(config)):
        return
    from pytest_flopbudget.plugin.settings_reader import read_settings

    try:
        settings = read_settings(config)
    except SettingsError as error:
        raise pytest.UsageError(str(error)) from None
    if active:
        from pytest_flopbudget.plugin.runtest.seeding import Seeding
        from pytest_flopbudget.plugin.runtest.time_limits import TimeLimits
        from pytest_flopbudget.plugin.session import register

        config.stash[SETTINGS] = settings
        register(config, settings)
        config.pluginmanager.register(TimeLimits(), "flopbudget-time-limits")
        if settings.seed is not None:
            config.pluginmanager.register(Seeding(settings.seed), "flopbudget-seeding")


def pytest_report_header(config: pytest.Config) -> list[str]:
    if SETTINGS not in config.stash:
        return []
    from pytest_flopbudget.report.run_summary import header_lines

    return [visible(line) for line in header_lines(config.stash[SETTINGS])]


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Keep plugins that collect YAML away from baselines; test files may lie among these."""
    if collection_path.suffix != ".yaml":
        return None
    return True if budget_folder(config) in collection_path.parents else None


def pytest_itemcollected(item: pytest.Item) -> None:
    if asks(item):
        item.add_marker(NAME)
        if SETTINGS not in item.config.stash:
            item.add_marker(pytest.mark.skip(reason=SKIP))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    owners: dict[str, pytest.Item] = {}
    for item in filter(asks, items):
        path = planned_path(item)
        owner = owners.setdefault(str(path).casefold(), item)
        if owner is not item:
            one, other = node_id(owner), node_id(item)
            error = collected_twice(one) if one == other else clash(path, one, other)
            owner.stash[CLASH] = item.stash[CLASH] = error
