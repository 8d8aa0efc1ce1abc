"""What the plugin reads from a test: its markers, its node id, the baseline that it will use."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import pytest_flopbudget.real_files  # noqa: F401 - before any test replaces what it holds
from pytest_flopbudget.errors import BudgetNameError, SettingsError
from pytest_flopbudget.escaping import encodable, visible_lines

if TYPE_CHECKING:
    from pathlib import PurePosixPath

    from _pytest.outcomes import Failed  # pytest's public name for it is no type

NAME = "flop_budget"  # of the fixture and of the marker
SKIP = "a compute budget: judge it with `pytest --flop-budget`, write it with `--update-budgets`"

REPETITION = "__pytest_repeat_step_number"  # the parameter by which pytest-repeat repeats a test


def uses_fixture(item: Any) -> bool:
    """Return whether a test has the fixture, by an argument of any fixture of it or its own."""
    return NAME in getattr(item, "fixturenames", ())


def has_own_marker(item: pytest.Item) -> bool:
    """Return whether a test has a marker that is not of its class or module."""
    return any(mark.name == NAME for mark in item.own_markers)


def check_arguments(item: pytest.Item) -> None:
    """Check the arguments of the markers of a test that says it has a budget.

    Raises:
        SettingsError: one has a wrong name or value.
    """
    if uses_fixture(item) or has_own_marker(item):
        marker_arguments(item)


def marker_arguments(item: pytest.Item) -> list[dict[str, Any]]:
    """Return the parsed arguments of each marker that applies to a test, the farthest first.

    Raises:
        SettingsError: an argument has a wrong name or value.
    """
    from pytest_flopbudget.settings.budget import parse_arguments

    markers = reversed(list(item.iter_markers(NAME)))
    return [parse_arguments("marker `flop_budget`", m.args, m.kwargs) for m in markers]


def target(item: pytest.Item) -> str:
    """Return what selects a test on the command line, as it is typed where pytest was started."""
    file, colons, rest = node_id(item).partition("::")
    return f"{typed_path(item.config, item.config.rootpath / file)}{colons}{rest}"


def typed_path(config: pytest.Config, file: Path) -> str:
    """Return the path of a file as it is typed where pytest was started."""
    return Path(os.path.relpath(file, config.invocation_params.dir)).as_posix()


def node_id(item: pytest.Item) -> str:
    """Return the node id, as UTF-8 holds it, without the `@group` that xdist's `loadgroup` adds."""
    marks = item.iter_markers("xdist_group")
    groups = [str(m.args[0] if m.args else m.kwargs.get("name", "default")) for m in marks]
    if not groups:
        return encodable(item.nodeid)
    of_all = "_".join(sorted(set(groups)))  # an older xdist takes the closest one alone
    return encodable(item.nodeid.removesuffix(f"@{of_all}").removesuffix(f"@{groups[0]}"))


def check_location(item: pytest.Item) -> None:
    """Check that the node id of a test, which names its baseline, is the same in every run.

    Raises:
        SettingsError: the test lies outside of the rootdir, whose name then depends on the run.
    """
    config = item.config
    if item.path.is_relative_to(config.rootpath) or config.getoption("pyargs"):
        return
    file, root = typed_path(config, item.path), typed_path(config, config.rootpath)
    runs = [f"`pytest {shlex.quote(argument)}`" for argument in config.args]
    separately = f"run {' and '.join(runs)}, or " if len(runs) > 1 else ""
    above = "name a `--rootdir`" if config.getoption("rootdir") else "put an ini file"
    raise SettingsError(
        f"`{file}` lies outside of rootdir `{root}`, so its baseline has no name that stays",
        f"{separately}{above} above both",
    )


def planned_path(item: pytest.Item) -> PurePosixPath:
    """Return the baseline that a test will use if it calls the fixture plainly."""
    from pytest_flopbudget.baseline.location import baseline_path

    names = (m.kwargs["name"] for m in item.iter_markers(NAME) if "name" in m.kwargs)
    name = next(names, None)
    return baseline_path(node_id(item), name if isinstance(name, str) else None)


def collected_twice(test: str) -> BudgetNameError:
    """Return the error of a test that runs more than once under one node id."""
    return BudgetNameError(
        f"`{test}` was collected twice, so two budgets claim its baseline",
        "run it once: leave out `--keep-duplicates`, or what else repeats it",
    )


def check_repetition(item: pytest.Item) -> None:
    """Check that a test is not one of several repetitions, each of which has its own node id.

    Raises:
        BudgetNameError: pytest-repeat repeats it.
    """
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    if REPETITION in parameters:
        raise BudgetNameError(
            f"`{node_id(item)}` is a repetition of pytest-repeat, so it has no baseline of its own",
            "run it once: leave out `--count` and the marker `repeat`",
        )


def clash(path: object, one: str, other: str) -> BudgetNameError:
    """Return the error of two tests that claim one baseline, or two that differ in case only."""
    return BudgetNameError(
        f"two tests claim the baseline `{path}`: `{one}` and `{other}`",
        "give one of them another name (the case of letters does not count), "
        "or `name=` in its marker",
    )


def failure(text: str) -> Failed:
    """Return the failure of a test that shows a text and no traceback."""
    return pytest.fail.Exception(visible_lines(text), pytrace=False)
