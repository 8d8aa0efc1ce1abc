"""The settings of one run: what it is to do for all of its budgets."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pytest_flopbudget.settings.budget import BudgetSettings


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """The settings of one run, from the command line and the ini file."""

    judge: bool
    update: bool  # write baselines
    root: Path  # the rootdir
    directory: Path  # absolute
    shown_directory: str  # relative to the rootdir where it lies in there
    budget_settings: BudgetSettings  # before any marker
    seed: int | None  # of the random numbers in tests; `None` leaves their generators alone
    pinned: tuple[str, ...]  # marker arguments that the command line overrides
    update_options: tuple[str, ...]  # of the command line, that an update needs as well
    adds_entry: bool  # the command line names a metric that each environment has an entry of
    table: str
    depth: int
    columns: tuple[str, ...]  # of per-layer tables; none were named if it is empty
    github: bool  # speak to GitHub Actions
    report_only: bool  # no verdict fails a test, or the run
    trim: bool  # remove stale baselines
    base: str | None  # the commit to compare baselines with
    propose: Path | None  # where to write what an update would
    files: dict[str, Path]  # the reports to write, by format: `json`, `html`, `markdown`

    @property
    def spares_verdicts(self) -> bool:
        """Whether verdicts fail nothing; those of an update, on what it must not write, do."""
        return self.report_only and not self.update
