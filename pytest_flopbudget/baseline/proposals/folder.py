"""Folders of proposals, which may come from a stranger's machine: read by name, never followed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_flopbudget.baseline.location import is_baseline_path
from pytest_flopbudget.baseline.proposals.manifest import NAME, hash_of, read_manifest
from pytest_flopbudget.baseline.proposals.merging import Proposal
from pytest_flopbudget.baseline.reader import read
from pytest_flopbudget.errors import BaselineError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_flopbudget.baseline.proposals.manifest import Origin

SEPARATE = "keep the proposals of each machine in a folder of their own"


def read_proposals(
    folders: Iterable[Path],
) -> tuple[dict[str, list[Proposal]], list[BaselineError]]:
    """Return the proposals of all folders, by the path of the baseline, and what is wrong."""
    found: dict[str, list[Proposal]] = {}
    errors: list[BaselineError] = []
    for folder in folders:
        try:
            origins = read_manifest(folder, folder.as_posix())
        except BaselineError as error:
            errors.append(error)
            continue
        there = (file.relative_to(folder).as_posix() for file in folder.rglob("*.yaml"))
        for path in sorted({*origins, *there}):
            try:
                proposal = _read(folder, path, origins)
            except BaselineError as error:  # noqa: PERF203 - all that is wrong is told
                errors.append(error)
            else:
                found.setdefault(path, []).append(proposal)
    return found, errors


def _read(folder: Path, path: str, origins: Mapping[str, Origin]) -> Proposal:
    """Read one proposal.

    Raises:
        BaselineError: its name or its file is none that a run writes, or not the one it wrote.
    """
    shown = f"{folder.as_posix()}/{path}"
    if not is_baseline_path(path):
        raise BaselineError(f"{shown}: expected the name of a baseline, relative and plain")
    if path not in origins:
        raise BaselineError(f"{shown}: expected a file that `{NAME}` names", SEPARATE)
    if os.path.realpath(folder / path) != str(Path(os.path.realpath(folder), path)):
        raise BaselineError(f"{shown}: expected a file, found a symbolic link")
    baseline = read(folder / path, shown)
    if baseline is None:
        raise BaselineError(f"{shown}: expected a file, found none, though `{NAME}` names it")
    if hash_of(baseline) != origins[path].proposed:
        expected = f"expected the file that `{NAME}` was written with"
        raise BaselineError(f"{shown}: {expected}, found another one", SEPARATE)
    return Proposal(file=shown, baseline=baseline, origin=origins[path])
