"""The results of one test: a record for each of its budgets, sent from worker to controller."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from functools import cached_property

from pytest_flopbudget.baseline.location import TestId, title_of
from pytest_flopbudget.baseline.record import Baseline, StoredScaling
from pytest_flopbudget.baseline.update import ignored_operators
from pytest_flopbudget.metrics import METRICS
from pytest_flopbudget.profile.model_profile import ModelProfile
from pytest_flopbudget.profile.scaling_profile import Curve, NewTerm
from pytest_flopbudget.settings.budget import BudgetSettings
from pytest_flopbudget.verdict.verdict import UPDATE, Judgement


@dataclass(frozen=True, kw_only=True)
class UpdateCommand:
    """The command that accepts what a test measured, with the options that this run was given."""

    target: str  # the node id, relative to where pytest was started
    options: tuple[str, ...] = ()  # of the command line that concern an update

    def command(self, remedy: str = UPDATE) -> str:
        """Return what is to be typed, quoted for the shell."""
        named = {option.partition("=")[0] for option in remedy.split()}
        options = [shlex.quote(o) for o in self.options if o.partition("=")[0] not in named]
        return " ".join(["pytest", remedy, *options, shlex.quote(self.target)])


@dataclass(frozen=True, kw_only=True)
class ScalingResult:
    """What a budget over sizes found: each metric as a curve, beside the stored one."""

    of: str  # what the sizes are sizes of
    sizes: tuple[int, ...]
    max_degree: int | None
    curves: dict[str, Curve]  # by metric
    stored: dict[str, Curve]
    new_terms: tuple[NewTerm, ...]

    @property
    def measured(self) -> StoredScaling:
        """What a baseline would store."""
        return StoredScaling(of=self.of, sizes=self.sizes, curves=self.curves)


@dataclass(frozen=True, kw_only=True)
class Result:
    """The result of one call of the fixture: what was measured, and its judgement."""

    test: str  # the node id
    name: str | None  # of a budget made with `named`
    path: str  # of the baseline, relative to the budget folder
    file: str  # the same as it is shown, relative to the rootdir
    budget_settings: BudgetSettings
    profile: ModelProfile
    baseline: Baseline | None
    judgement: Judgement
    update: UpdateCommand
    built_for_real: str = ""  # why a declared model was, though nothing needed its values
    scaling: ScalingResult | None = None  # then `profile` is that of the largest size
    renaming: str | None = None  # the command that makes a stale baseline the missing one

    @property
    def title(self) -> str:
        """The test, with the name that `named` gave to the budget."""
        return title_of(self.test, self.name)

    @property
    def layer_baseline(self) -> Baseline | None:
        """The baseline, if it has layers to compare with: not that of a budget over sizes."""
        return None if self.scaling is not None else self.baseline

    @property
    def short_name(self) -> str:
        """The title without the file of the test."""
        return self.title.partition("::")[2]

    @cached_property
    def ignored(self) -> tuple[str, ...]:
        """The operators that ran uncounted, as the team agreed, each once."""
        return ignored_operators(self.profile, self.budget_settings)

    def line_in(self, baseline: Baseline) -> int | None:
        """Return the line of a baseline file that the gravest failure refers to."""
        if not self.judgement.failing:
            return baseline.line("state")
        verdict = self.judgement.failing[0]
        metric = METRICS[verdict.metric]
        if self.scaling is not None:
            return baseline.line("scaling", metric.yaml_key)
        if verdict.path is not None:
            return baseline.line("own", verdict.path)
        if not metric.exact and self.profile.environment is not None:
            return baseline.line("latency", self.profile.environment.key, metric.yaml_key)
        return baseline.line("total", metric.yaml_key)

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
class NotJudged:
    """A test with a budget that did not run, so that nothing is known of its budget."""

    test: str  # the node id
    file: str  # its baseline as it is shown, relative to the rootdir
    reason: str  # that pytest gives for the skip


@dataclass(frozen=True, kw_only=True)
class TestResults:
    """The results of all calls of the fixture in one test, and how the test ended."""

    __test__ = False  # to pytest: this is no test class

    test: str  # the node id
    path: str  # of its baseline, if it calls the fixture plainly, relative to the budget folder
    results: tuple[Result, ...]
    unjudged: tuple[Unjudged, ...]
    has_budget: bool = True  # not if it was only offered the fixture, and may leave it alone
    passed: bool = False  # set-up, call and teardown
    acceptable: bool = False  # passed, or would have passed if its budgets had
    skipped: str | None = None  # the reason, if it was

    @property
    def is_judged(self) -> bool:
        """Whether anything is known of its budgets."""
        return bool(self.results or self.unjudged)
