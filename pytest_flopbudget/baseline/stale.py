"""Stale baselines: those whose test is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_flopbudget.baseline.reader import text_in
from pytest_flopbudget.baseline.yaml_nodes import parse
from pytest_flopbudget.errors import BaselineError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def stale_baselines(directory: Path, is_gone: Callable[[str], bool]) -> list[str]:
    """Return the stale baselines of a budget folder, relative to it.

    Args:
        directory: the budget folder.
        is_gone: tells of a test, by its node id, whether it exists no more.
    """
    return [
        file.relative_to(directory).as_posix()
        for file in sorted(directory.rglob("*.yaml"))
        if (test := _test_of(file)) is not None and is_gone(test)
    ]


def _test_of(file: Path) -> str | None:
    """Return the test that a baseline names in its head, `None` if the file is not valid."""
    try:
        head = (text_in(file, str(file)) or "").partition("\ntotal:")[0]
        return parse(head, str(file)).entries()["test"].text()
    except (BaselineError, KeyError):
        return None
