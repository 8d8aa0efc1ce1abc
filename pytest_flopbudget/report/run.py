"""The run: the record of a whole run of pytest that all reports are made from."""

from __future__ import annotations

from dataclasses import dataclass, field

from pytest_flopbudget.base_commit.comparison import BaseComparison
from pytest_flopbudget.settings.run import RunSettings
from pytest_flopbudget.verdict.result import Result, Unjudged


@dataclass(frozen=True, kw_only=True)
class Run:
    """The results of a whole run of pytest."""

    settings: RunSettings
    results: tuple[Result, ...]
    unjudged: tuple[Unjudged, ...] = ()
    stale: tuple[str, ...] = ()  # baselines whose test is gone, relative to the budget folder
    removed: tuple[str, ...] = ()  # those of them that the run removed
    errors: tuple[str, ...] = ()  # of the run itself, such as a name that two tests claim
    places: dict[str, tuple[str, int | None]] = field(default_factory=dict)  # file, line of tests
    base: BaseComparison | None = None  # the commit that baselines are compared with, if any

    @property
    def stale_fails(self) -> bool:
        """Whether stale baselines fail the run: if the settings say so, until they are removed."""
        return "stale" in self.settings.budget_settings.fail_on and self.stale != self.removed

    @property
    def fails(self) -> bool:
        """Whether anything that this plugin found makes the run fail."""
        failing = any(result.judgement.failing for result in self.results)
        return bool(failing or self.unjudged or self.errors or self.stale_fails)
