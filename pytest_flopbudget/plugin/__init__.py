"""The pytest plugin; this module is what pytest registers, by its entry point or by `-p`."""

import pytest_flopbudget.real_time  # noqa: F401 - before a test can freeze the time
from pytest_flopbudget.plugin.declared.hook import pytest_collect_file
from pytest_flopbudget.plugin.hooks import (
    pytest_addoption,
    pytest_collection_modifyitems,
    pytest_configure,
    pytest_ignore_collect,
    pytest_itemcollected,
    pytest_report_header,
)
from pytest_flopbudget.plugin.runtest.phases import (
    flop_budget,
    pytest_runtest_call,
    pytest_runtest_makereport,
    pytest_runtest_setup,
    pytest_runtest_teardown,
)

__all__ = [
    "flop_budget",
    "pytest_addoption",
    "pytest_collect_file",
    "pytest_collection_modifyitems",
    "pytest_configure",
    "pytest_ignore_collect",
    "pytest_itemcollected",
    "pytest_report_header",
    "pytest_runtest_call",
    "pytest_runtest_makereport",
    "pytest_runtest_setup",
    "pytest_runtest_teardown",
]
