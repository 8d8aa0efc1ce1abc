"""The run: the record of a whole run of pytest that all reports are made from."""

from __future__ import annotations

from dataclasses import dataclass, field

from pytest_flopbudget.base_commit.comparison import BaseComparison
from pytest_flopbudget.baseline.stale import StaleBaselines
from pytest_flopbudget.settings.run import RunSettings
from pytest_flopbudget.verdict.result import NotJudged, Result, Unjudged


@dataclass(frozen=True, kw_only=True)
class Run:
    """The results of a whole run of pytest."""

    settings: RunSettings
    results: tuple[Result, ...]
    unjudged: tuple[Unjudged, ...] = ()
    not_judged: tuple[NotJudged, ...] = ()  # tests with a budget that were skipped
    stale: StaleBaselines = field(default_factory=StaleBaselines)
    removed: tuple[str, ...] = ()  # those of them that the run removed
    errors: tuple[str, ...] = ()  # of the run itself, such as a name that two tests claim
    places: dict[str, tuple[str, int | None]] = field(default_factory=dict)  # file, line of tests
    base: BaseComparison | None = None  # the commit that baselines are compared with, if any

    @property
    def stale_fails(self) -> bool:
        """Whether stale baselines are to fail: if the settings say so, until they are removed."""
        return "stale" in self.settings.budget_settings.fail_on and self.stale.stale != self.removed

    @property
    def skips_fail(self) -> bool:
        """Whether tests that were not judged are to fail, as the settings may say."""
        return "skipped" in self.settings.budget_settings.fail_on and bool(self.not_judged)

    @property
    def has_news(self) -> bool:
        """Whether there is anything to say of the run."""
        news = (self.results, self.unjudged, self.not_judged, self.base, self.errors)
        return any(news) or self.stale != StaleBaselines()

    @property
    def fails(self) -> bool:
        """Whether anything that this plugin found makes the run fail."""
        return bool(self.unjudged or self.errors or self.verdict_fails or self.found_fails)

    @property
    def verdict_fails(self) -> bool:
        """Whether a verdict makes a test fail."""
        return any(r.judgement.fails for r in self.results) and not self.settings.spares_verdicts

    @property
    def found_fails(self) -> bool:
        """Whether something stale or skipped makes the run fail, as the settings may ask."""
        return (self.stale_fails or self.skips_fail) and not self.settings.report_only
