"""Evaluates one budget of a test: reads its baseline, measures the model, judges the profile."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import pytest

from pytest_flopbudget.baseline.stale import (
    TestStatus,
    baselines_of_gone_tests,
    former_baseline,
)
from pytest_flopbudget.errors import BaselineError, ConflictError, FormatError, SumError
from pytest_flopbudget.plugin.collection import COLLECTED
from pytest_flopbudget.plugin.declared.building import BUILT_FOR_REAL, REBUILD
from pytest_flopbudget.plugin.declared.location import typed_option
from pytest_flopbudget.plugin.items import clash, node_id, target, typed_path
from pytest_flopbudget.plugin.progress import progress_of
from pytest_flopbudget.settings.budget import BudgetSettings
from pytest_flopbudget.settings.measuring import LatencyGoal
from pytest_flopbudget.settings.run import RunSettings
from pytest_flopbudget.verdict.judge_model import judge, judge_ceilings
from pytest_flopbudget.verdict.limits import latency_budget
from pytest_flopbudget.verdict.result import Result, UpdateCommand

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_flopbudget.baseline.record import Baseline
    from pytest_flopbudget.profile.model_profile import ModelProfile
    from pytest_flopbudget.verdict.verdict import Judgement


GONE: pytest.StashKey[Mapping[str, Baseline]] = pytest.StashKey()  # of the config: read once


@dataclass(frozen=True, kw_only=True)
class BudgetRequest:
    """One call of the fixture: the test, its baseline, its settings, and the call of the model."""

    item: pytest.Item
    name: str | None  # of a budget made with `named`
    path: PurePosixPath  # of the baseline, relative to the budget folder
    settings: RunSettings
    budget_settings: BudgetSettings
    model: Any = None
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)

    @property
    def test(self) -> str:
        """The node id of the test."""
        return node_id(self.item)

    @property
    def file(self) -> str:
        """The baseline as it is shown, relative to the rootdir."""
        return f"{self.settings.shown_directory}/{self.path}"

    @cached_property
    def update(self) -> UpdateCommand:
        """The command that accepts what is measured."""
        brought = typed_option(self.item.config, self.item.path)
        options = (*self.settings.update_options, *brought)
        return UpdateCommand(target=target(self.item), options=options)


def evaluate(request: BudgetRequest) -> Result:
    """Return the result of one budget: what was measured, and the verdict on it.

    Raises:
        BaselineError: the baseline cannot be read, or was made for something else.
        BudgetNameError: the baseline belongs to another test.
        MeasureError: the model cannot be profiled.
        Exception: what the model itself raises.
    """
    baseline = read_baseline(request)
    profile = _measure(request, baseline)
    return Result(
        test=request.test,
        name=request.name,
        path=str(request.path),
        file=request.file,
        budget_settings=request.budget_settings,
        profile=profile,
        baseline=baseline,
        judgement=_judge(request, profile, baseline),
        update=request.update,
        built_for_real=request.item.stash.get(BUILT_FOR_REAL, ""),
        renaming=_renaming(request, profile) if baseline is None else None,
    )


def _renaming(request: BudgetRequest, profile: ModelProfile) -> str | None:
    """Return the command that renames the baseline of a test that is gone to the missing one."""
    if request.settings.update:
        return None  # which creates what is missing
    config, directory = request.item.config, request.settings.directory
    if GONE not in config.stash:
        config.stash[GONE] = baselines_of_gone_tests(directory, config.stash[COLLECTED].status)
    former = former_baseline(config.stash[GONE], str(request.path), profile)
    if former is None:
        return None
    new = directory / request.path
    old, renamed, folder = (
        shlex.quote(typed_path(config, path)) for path in (directory / former, new, new.parent)
    )
    command = f"git mv {old} {renamed}"
    return command if new.parent.is_dir() else f"mkdir -p {folder} && {command}"


def read_baseline(request: BudgetRequest) -> Baseline | None:
    """Return the baseline of a budget, if there is one.

    Raises:
        BaselineError: it cannot be read.
        BudgetNameError: it belongs to another test.
    """
    from pytest_flopbudget.baseline.reader import read

    directory = request.settings.directory
    try:
        baseline = read(directory / request.path, request.file)
    except BaselineError as error:
        file = typed_path(request.item.config, directory / request.path)
        raise BaselineError(error.sentence, _hint(error, file, request.update)) from None
    owner = request.test if baseline is None else baseline.test
    collected = request.item.config.stash[COLLECTED]
    if owner != request.test and collected.status(owner) is TestStatus.UNKNOWN:
        raise clash(request.path, owner, request.test)
    return baseline


def _measure(request: BudgetRequest, baseline: Baseline | None) -> ModelProfile:
    from pytest_flopbudget.measure.pipeline import measure
    from pytest_flopbudget.measure.targets.target import split_modules

    settings, budget_settings = request.settings, request.budget_settings
    goal = LatencyGoal(
        budget_ms=partial(latency_budget, baseline=baseline, budget_settings=budget_settings),
        may_be_stored=settings.update or settings.propose is not None,
    )
    measure_settings = request.budget_settings.measure_settings
    rebuild = request.item.stash.get(REBUILD, None)
    kwargs, modules = split_modules(request.model, request.kwargs)
    with progress_of(request.item) as progress:

        def measured(model: Any) -> ModelProfile:
            return measure(
                model, request.args, kwargs, measure_settings, goal, progress, modules=modules
            )

        try:
            return measured(request.model)
        except Exception as error:
            if rebuild is None:
                raise
            profile = measured(rebuild())
            reason = f"cannot run on meta tensors: {type(error).__name__}"
            request.item.stash[BUILT_FOR_REAL] = reason
            return profile


def _judge(request: BudgetRequest, profile: ModelProfile, baseline: Baseline | None) -> Judgement:
    if request.settings.update:
        return judge_ceilings(profile, request.budget_settings)
    try:
        return judge(profile, baseline, request.budget_settings)
    except BaselineError as error:
        hint = f"if the change is meant: {request.update.command()}"
        raise BaselineError(f"{request.file}: {error.sentence}", hint) from None


def _hint(error: BaselineError, file: str, update: UpdateCommand) -> str:
    """Return what to type where a baseline is not valid."""
    file = shlex.quote(file)
    if isinstance(error, ConflictError):
        one_side = f"git checkout --ours -- {file} && {update.command()}"
        return f"take one side and measure it again: {one_side}"
    if isinstance(error, SumError):
        before = f"git checkout HEAD^ -- {file} && {update.command()}"
        return f"take the file of before the merge and measure it again: {before}"
    if isinstance(error, FormatError):
        return "another version of this plugin wrote it: pip install --upgrade pytest-flopbudget"
    anew = f"rm {file} && {update.command()}"
    return f"restore it from version control, or write it anew: {anew}"
