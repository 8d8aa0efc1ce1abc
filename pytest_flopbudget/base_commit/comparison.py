"""What main agreed to, against what this branch has: the budgets that it raises.

It informs; a verdict never depends on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_flopbudget.base_commit.git import snapshot
from pytest_flopbudget.base_commit.increases import Increase, find_increases
from pytest_flopbudget.baseline.reader import parse_bytes, read
from pytest_flopbudget.errors import BaseError, BaselineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_flopbudget.baseline.record import Baseline
    from pytest_flopbudget.settings.run import RunSettings


@dataclass(frozen=True, kw_only=True)
class Base:
    """How the baselines differ from those of a commit."""

    ref: str  # as it was typed
    commit: str | None = None  # its hash, if it could be read
    increases: tuple[Increase, ...] = ()
    errors: tuple[str, ...] = ()  # why it, or a file, could not be compared


def compare_with(ref: str, settings: RunSettings) -> Base:
    """Compare the baselines in the working tree with those of a commit."""
    folder = settings.directory
    try:
        then = snapshot(ref, folder, ".yaml")
    except BaseError as error:
        return Base(ref=ref, errors=(str(error),))
    before, errors_then = _valid(
        then.files, lambda file: parse_bytes(then.files[file], f"{then.commit[:10]}:{file}")
    )
    files = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*.yaml"))]
    after, errors_now = _valid(
        files, lambda file: read(folder / file, f"{settings.shown_directory}/{file}")
    )
    known = {file: baseline for file, baseline in before.items() if file not in errors_now}
    return Base(
        ref=ref,
        commit=then.commit,
        increases=tuple(find_increases(known, after)),
        errors=(*errors_then.values(), *errors_now.values()),
    )


def _valid(
    files: Iterable[str], reader: Callable[[str], Baseline | None]
) -> tuple[dict[str, Baseline], dict[str, str]]:
    """Read baselines; those that are not valid are kept apart, with what is wrong."""
    found: dict[str, Baseline] = {}
    errors: dict[str, str] = {}
    for file in files:
        try:
            baseline = reader(file)
        except BaselineError as error:  # noqa: PERF203 - each file stands for itself
            errors[file] = error.sentence
        else:
            found |= {} if baseline is None else {file: baseline}
    return found, errors
