"""How a test comes to the fixture: it asks for it, or an autouse fixture offers it."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from pytest_flopbudget.plugin.items import NAME, has_own_marker, uses_fixture

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pytest


def asks(item: pytest.Item) -> bool:
    """Return whether a test asks for the fixture, itself or through fixtures that it names.

    What autouse alone brings is offered: such a test need not have a budget.
    """
    return NAME in _reached(item, _named(item))


def is_offered(item: pytest.Item) -> bool:
    """Return whether a test has the fixture by autouse alone, and says nothing of a budget."""
    return uses_fixture(item) and not asks(item) and not has_own_marker(item)


def awaits_teardown(item: pytest.Item) -> bool:
    """Return whether a fixture that asks for `flop_budget` may call it after the test."""
    return any(
        NAME in definition.argnames and _has_teardown(definition)
        for name in getattr(item, "fixturenames", ())
        for definition in _definitions(item, name)
    )


def _named(item: pytest.Item) -> Iterator[str]:
    """Yield the fixtures that a test names: its arguments, and those of `usefixtures`."""
    yield from getattr(getattr(item, "_fixtureinfo", None), "argnames", ())
    for marker in item.iter_markers("usefixtures"):
        yield from marker.args


def _reached(item: pytest.Item, names: Iterable[str]) -> set[str]:
    """Return fixtures and all that they ask for."""
    reached: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += (n for definition in _definitions(item, name) for n in definition.argnames)
    return reached


def _definitions(item: pytest.Item, name: str) -> Iterator[Any]:
    """Yield the closest definition of a fixture, then those that it overrides and asks for."""
    info = getattr(item, "_fixtureinfo", None)  # pytest has no public name for it
    for definition in reversed(getattr(info, "name2fixturedefs", {}).get(name, ())):
        yield definition
        if name not in definition.argnames:
            return


def _has_teardown(definition: Any) -> bool:
    """Return whether a fixture yields, or may add a finalizer, which only `request` lets it."""
    function = definition.func
    yields = inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)
    return yields or "request" in definition.argnames
