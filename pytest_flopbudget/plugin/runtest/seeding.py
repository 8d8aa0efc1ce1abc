"""The seeding of tests: what a test with the fixture draws at random is the same in every run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pytest_flopbudget.plugin.items import uses_fixture

if TYPE_CHECKING:
    from collections.abc import Generator


class Seeding:
    """Seeds the random generators before each phase of a test, and puts them back after it.

    A phase is seeded where its first code of the user runs, which is after the hooks of all other
    plugins: some seed it themselves, with another number in each run.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self._due: set[bool] = set()  # before a fixture of the test's own, of a wider scope

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        if not uses_fixture(item):
            return (yield)
        from pytest_flopbudget.measure.isolation.random_state import random_state_restored

        with random_state_restored():
            return (yield)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        self._due = {True, False} if uses_fixture(item) else set()

    @pytest.hookimpl(tryfirst=True)
    def pytest_fixture_setup(self, request: Any) -> None:
        """Seed before the first fixture, and again before the first one of the test's own.

        One of a wider scope draws in some of its tests only, whichever runs first.
        """
        is_own = request.scope == "function"
        if is_own in self._due:
            self._due.discard(is_own)
            self._seed()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        if not uses_fixture(item):
            return (yield)
        self._due.clear()
        runtest = item.runtest

        def seeded() -> None:
            self._seed()
            runtest()

        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(item, "runtest", seeded)
                return (yield)
        finally:
            item.addfinalizer(self._seed)  # the last one that is added runs first

    def _seed(self) -> None:
        from pytest_flopbudget.measure.isolation.random_state import seed_generators

        seed_generators(self._number)
