"""The command `history`: draws budgets over the commits that changed their files."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pytest_flopbudget.base_commit.history import read_histories
from pytest_flopbudget.baseline.stale import owners
from pytest_flopbudget.errors import FlopBudgetError, SettingsError, with_nearest
from pytest_flopbudget.escaping import visible_lines
from pytest_flopbudget.report.history.texts import history_data, history_lines
from pytest_flopbudget.report.html.page import history_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class HistoryFiles(NamedTuple):
    """The files to write a history into."""

    html: Path | None = None
    json: Path | None = None


def run_history(
    budgets: Sequence[str],
    folder: Path,
    max_commits: int,
    files: HistoryFiles,
    *,
    write: Callable[[str], object] = print,
) -> int:
    """Write the history of budgets, named by file or node id; return 2 if there is none."""
    try:
        chosen = _chosen(budgets, folder)
        histories, is_shallow = read_histories(chosen, folder, max_commits)
        data = history_data(histories, is_shallow=is_shallow)
        if files.json is not None:
            files.json.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
        if files.html is not None:
            files.html.write_text(history_text(data), encoding="utf-8")
    except FlopBudgetError as error:
        print(visible_lines(str(error)), file=sys.stderr)  # noqa: T201 - a command
        return 2
    except OSError as error:
        said = f"{error.filename}: cannot be written: {error.strerror}"
        print(visible_lines(said), file=sys.stderr)  # noqa: T201 - a command
        return 2
    for line in history_lines(histories, is_shallow=is_shallow):
        write(line)
    return 0


def _chosen(budgets: Sequence[str], folder: Path) -> list[Path]:
    """Return the files of the named budgets, all of the folder if none is named.

    Raises:
        SettingsError: a name is none of them.
    """
    known = dict(owners(folder))
    if not known:
        raise SettingsError(
            f"`{folder}`: expected a folder with budgets, found none",
            "name it: python -m pytest_flopbudget history --dir DIR",
        )
    chosen = []
    for budget in budgets:
        path = Path(budget).resolve()
        files = [f for f, test in known.items() if budget == test or path == (folder / f).resolve()]
        if not files:
            said = f"`{budget}`: expected a file in `{folder}` or the node id of a test"
            names = [*known.values(), *((folder / f).as_posix() for f in known)]
            raise SettingsError(with_nearest(f"{said}, found neither", budget, names))
        chosen += files
    return [folder / file for file in dict.fromkeys(chosen or known)]
