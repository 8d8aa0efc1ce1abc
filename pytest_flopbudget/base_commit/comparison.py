"""The baselines of the working tree compared with those of a commit that the branch starts from.

It informs; a verdict never depends on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_flopbudget.base_commit.git import read_merge_base
from pytest_flopbudget.base_commit.increases import Increase, find_increases
from pytest_flopbudget.baseline.reader import parse_bytes, read
from pytest_flopbudget.errors import BaseError, BaselineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_flopbudget.baseline.record import Baseline
    from pytest_flopbudget.settings.run import RunSettings


@dataclass(frozen=True, kw_only=True)
class BaseComparison:
    """What the baselines allow beyond those of a commit, and what could not be compared."""

    ref: str  # the commit, as it was typed
    commit: str | None = None  # the hash of the merge base with it, if it could be read
    increases: tuple[Increase, ...] = ()
    errors: tuple[str, ...] = ()  # why the commit, or a file, could not be read


def compare_with(ref: str, settings: RunSettings) -> BaseComparison:
    """Compare the baselines in the working tree with those of the merge base with a commit."""
    folder = settings.directory
    try:
        base = read_merge_base(ref, folder, ".yaml")
    except BaseError as error:
        return BaseComparison(ref=ref, errors=(str(error),))
    commit = base.commit[:10]
    before, errors_before = _read_valid(
        base.files, lambda file: parse_bytes(base.files[file], f"{commit}:{file}")
    )
    errors_before |= {file: f"{commit}:{file}: {why}" for file, why in base.unread.items()}
    files = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*.yaml"))]
    after, errors_after = _read_valid(
        files, lambda file: read(folder / file, f"{settings.shown_directory}/{file}")
    )
    known = {file: baseline for file, baseline in before.items() if file not in errors_after}
    return BaseComparison(
        ref=ref,
        commit=base.commit,
        increases=tuple(find_increases(known, after)),
        errors=(*errors_before.values(), *errors_after.values()),
    )


def _read_valid(
    files: Iterable[str], reader: Callable[[str], Baseline | None]
) -> tuple[dict[str, Baseline], dict[str, str]]:
    """Return the valid baselines by file, and what is wrong with the other files."""
    baselines: dict[str, Baseline] = {}
    errors: dict[str, str] = {}
    for file in files:
        try:
            baseline = reader(file)
        except BaselineError as error:  # noqa: PERF203 - the other files can be valid
            errors[file] = error.sentence
        else:
            baselines |= {} if baseline is None else {file: baseline}
    return baselines, errors
