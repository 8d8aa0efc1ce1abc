"""Stale baselines: those whose test is gone, or ran and did not use them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import Enum
from typing import TYPE_CHECKING

from pytest_flopbudget.baseline.reader import read, text_in
from pytest_flopbudget.baseline.update import differences
from pytest_flopbudget.baseline.yaml_nodes import parse
from pytest_flopbudget.errors import BaselineError
from pytest_flopbudget.metrics import exact_metrics, figures_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from pathlib import Path

    from pytest_flopbudget.baseline.record import Baseline
    from pytest_flopbudget.profile.model_profile import ModelProfile


class TestStatus(Enum):
    """What a run knows of the test that a baseline names."""

    __test__ = False  # to pytest: this is no test class

    UNKNOWN = "unknown"  # it is there, or this run did not see enough to know
    GONE = "gone"
    NOT_COLLECTED = "not collected"  # its function is there, but not with these parameters


@dataclass(frozen=True, kw_only=True)
class StaleBaselines:
    """The baselines of a folder that a run has no use for, relative to the folder."""

    gone: tuple[str, ...] = ()  # their test is
    unused: tuple[str, ...] = ()  # their test passed, and did not use them
    not_collected: tuple[str, ...] = ()  # perhaps on another machine: not stale

    @property
    def stale(self) -> tuple[str, ...]:
        """Those that `--flop-budget-trim` removes."""
        return tuple(sorted((*self.gone, *self.unused)))


def stale_baselines(
    directory: Path,
    status_of: Callable[[str], TestStatus],
    *,
    used: Collection[str] = (),
    passed: Collection[str] = (),
) -> StaleBaselines:
    """Find the stale baselines of a budget folder.

    Args:
        directory: the budget folder.
        status_of: what is known of a test, by its node id.
        used: baselines that this run used, or would use, whatever test they name.
        passed: the tests whose every budget was judged.
    """
    found: dict[str, list[str]] = {"gone": [], "unused": [], "not_collected": []}
    for file, test in owners(directory):
        status = status_of(test)
        if file in used:
            continue
        if status is TestStatus.GONE:
            found["gone"].append(file)
        elif test in passed:
            found["unused"].append(file)
        elif status is TestStatus.NOT_COLLECTED:
            found["not_collected"].append(file)
    return StaleBaselines(**{kind: tuple(files) for kind, files in found.items()})


def baselines_of_gone_tests(
    directory: Path, status_of: Callable[[str], TestStatus]
) -> dict[str, Baseline]:
    """Return the valid baselines of a folder whose test is not there, by their path in it."""
    found = {}
    for file, test in owners(directory):
        if status_of(test) is not TestStatus.UNKNOWN:
            with suppress(BaselineError):
                if (baseline := read(directory / file, file)) is not None:
                    found[file] = baseline
    return found


def former_baseline(gone: Mapping[str, Baseline], path: str, profile: ModelProfile) -> str | None:
    """Return the baseline of a test that is gone which has the model and figures of a profile.

    Args:
        gone: the baselines to choose from, by their path.
        path: of the missing baseline; of several, the one with the most similar path is returned.
        profile: what was measured.
    """
    found = [file for file, baseline in gone.items() if _has_figures(baseline, profile)]
    return max(found, key=lambda file: SequenceMatcher(a=path, b=file).ratio(), default=None)


def _has_figures(baseline: Baseline, profile: ModelProfile) -> bool:
    if baseline.model != profile.model or differences(baseline, profile):
        return False
    figures = figures_of(exact_metrics())
    measured = {figure.field: figure.of(profile) for figure in figures}
    return all(measured[field] in (value, None) for field, value in baseline.total.items())


def owners(directory: Path) -> Iterator[tuple[str, str]]:
    """Yield each valid baseline of a folder, relative to it, and the test that it names."""
    for file in sorted(directory.rglob("*.yaml")):
        test = _test_of(file)
        if test is not None:
            yield file.relative_to(directory).as_posix(), test


def _test_of(file: Path) -> str | None:
    """Return the test that a baseline names in its head, `None` if the file is not valid."""
    try:
        head = (text_in(file, str(file)) or "").partition("\ntotal:")[0]
        return parse(head, str(file)).entries()["test"].text()
    except (BaselineError, KeyError):
        return None
