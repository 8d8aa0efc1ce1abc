"""What came of the budgets of one test, as it travels from worker to report, and of a run."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from functools import cached_property

from pytest_flopbudget.baseline.location import TestId, title_of
from pytest_flopbudget.baseline.record import Baseline
from pytest_flopbudget.profile.model_profile import ModelProfile
from pytest_flopbudget.settings.budget import BudgetSettings
from pytest_flopbudget.verdict.verdict import UPDATE, Judgement


@dataclass(frozen=True, kw_only=True)
class UpdateCommand:
    """How a user accepts what a test measured, in the terms in which this run was started."""

    target: str  # the node id, relative to where pytest was started
    options: tuple[str, ...] = ()  # of the command line that concern an update

    def command(self, remedy: str = UPDATE) -> str:
        """Write what is to be typed, quoted for the shell."""
        named = {option.partition("=")[0] for option in remedy.split()}
        options = [shlex.quote(o) for o in self.options if o.partition("=")[0] not in named]
        return " ".join(["pytest", remedy, *options, shlex.quote(self.target)])


@dataclass(frozen=True, kw_only=True)
class Result:
    """The outcome of one call of the fixture."""

    test: str  # the node id
    name: str | None  # of a budget made with `named`
    path: str  # of the baseline, relative to the budget folder
    file: str  # the same as it is shown, relative to the rootdir
    budget_settings: BudgetSettings
    profile: ModelProfile
    baseline: Baseline | None
    judgement: Judgement
    update: UpdateCommand

    @property
    def title(self) -> str:
        """The test, and the part of it that `named` names."""
        return title_of(self.test, self.name)

    @property
    def short_name(self) -> str:
        """The title without the file of the test."""
        return self.title.partition("::")[2]

    @cached_property
    def ignored(self) -> tuple[str, ...]:
        """The operators that ran uncounted, as the team agreed."""
        ran = {uncounted.operator for uncounted in self.profile.uncounted}
        return tuple(sorted(ran & set(self.budget_settings.ignore_ops)))

    @property
    def test_file(self) -> str:
        """The file of the test, relative to the rootdir."""
        return TestId.parse(self.test).file


@dataclass(frozen=True, kw_only=True)
class Unjudged:
    """A call of the fixture that ended in an error instead of a verdict."""

    test: str
    name: str | None  # of a budget made with `named`
    error: str


@dataclass(frozen=True, kw_only=True)
class TestResults:
    """The results of all calls of the fixture in one test."""

    __test__ = False  # to pytest: this is no test class

    test: str  # the node id
    passed: bool  # set-up, call and teardown
    acceptable: bool  # passed, or would have passed if its budgets had
    results: tuple[Result, ...]
    unjudged: tuple[Unjudged, ...]
