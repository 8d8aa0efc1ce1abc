"""Accepts proposals: what machines wrote with `--flop-budget-propose` becomes the baselines.

All is checked before the first file is written. Files are parsed and written anew, not copied.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from pytest_flopbudget.baseline import store
from pytest_flopbudget.baseline.location import writable_file
from pytest_flopbudget.baseline.proposals.folder import read_proposals
from pytest_flopbudget.baseline.proposals.merging import Proposal, merged
from pytest_flopbudget.baseline.reader import parse, read
from pytest_flopbudget.baseline.update import BaselineChange, UpdateKind
from pytest_flopbudget.baseline.writer import text_of
from pytest_flopbudget.errors import BaselineError
from pytest_flopbudget.escaping import visible, visible_lines
from pytest_flopbudget.report.update_summary import change_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path


def accept(folders: Sequence[Path], into: Path, *, write: Callable[[str], object] = print) -> int:
    """Write what the folders propose into the budget folder; return 1 if anything was refused."""
    with store.locked(into) if into.is_dir() else nullcontext():
        proposals, unreadable = read_proposals(folders)
        changes, refused = _planned_changes(proposals, into)
        if unreadable or refused:
            for error in (*unreadable, *refused):
                write(visible_lines(f"refused {error}"))
            write("nothing was accepted")
            return 1
        failures = {change.path: _write(change, into) for change in changes}
    written = [change for change in changes if not failures[change.path]]
    for line in (*change_lines(written), *filter(None, failures.values())):
        write(visible(line))
    return 1 if any(failures.values()) else 0


def _planned_changes(
    proposals: Mapping[str, Sequence[Proposal]], into: Path
) -> tuple[list[BaselineChange], list[BaselineError]]:
    """Return what becomes of each baseline, and why others are left as they are."""
    changes: list[BaselineChange] = []
    errors: list[BaselineError] = []
    owners: dict[str, str] = {}  # by what a file system takes for one name
    for path, proposed in sorted(proposals.items()):
        file = (into / path).as_posix()
        if (owner := owners.setdefault(path.casefold(), path)) != path:
            errors.append(BaselineError(f"{file}: `{owner}` is the same name but for the case"))
            continue
        try:
            old = read(into / path, file)
            new = merged(old, proposed)
            parse(text_of(new), file)  # never write what cannot be read
            writable_file(into, path)
        except BaselineError as error:
            errors.append(error)
        else:
            changes.append(BaselineChange(path=path, file=file, old=old, new=new))
    return changes, errors


def _write(change: BaselineChange, into: Path) -> str:
    """Write a baseline; return why, if that is impossible."""
    if change.kind is not UpdateKind.UNCHANGED:
        try:
            store.write(writable_file(into, change.path), text_of(change.new))
        except OSError as error:
            return f"{change.file}: cannot be written: {error.strerror}"
    return ""
