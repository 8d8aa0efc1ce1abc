"""Evaluates one budget: reads its baseline, measures the model, judges it."""

from __future__ import annotations

import shlex
from functools import partial
from typing import TYPE_CHECKING, Any

from pytest_flopbudget.baseline.location import inside
from pytest_flopbudget.errors import BaselineError, ConflictError
from pytest_flopbudget.plugin.collection import COLLECTED
from pytest_flopbudget.plugin.items import clash, node_id, target, typed

if TYPE_CHECKING:
    from pathlib import PurePosixPath

    import pytest

    from pytest_flopbudget.settings.budget import BudgetSettings
    from pytest_flopbudget.settings.run import RunSettings
    from pytest_flopbudget.verdict.result import Result, UpdateCommand


def evaluate(
    item: pytest.Item,
    part: str | None,
    path: PurePosixPath,
    settings: RunSettings,
    budget_settings: BudgetSettings,
    call: tuple[Any, Any, Any],
) -> Result:
    """Profile, read the baseline, judge."""
    from pytest_flopbudget.baseline.reader import read
    from pytest_flopbudget.measure.pipeline import measure
    from pytest_flopbudget.plugin.progress import progress_of
    from pytest_flopbudget.settings.measuring import LatencyGoal
    from pytest_flopbudget.verdict.judge_model import judge, judge_ceilings
    from pytest_flopbudget.verdict.limits import latency_budget
    from pytest_flopbudget.verdict.result import Result, UpdateCommand

    test = node_id(item)
    update = UpdateCommand(target=target(item), options=settings.typed)
    shown = f"{settings.shown_directory}/{path}"
    try:
        baseline = read(inside(settings.directory, path), shown)
    except BaselineError as error:
        remedy = _remedy(error, typed(item.config, settings.directory / path), update)
        raise BaselineError(error.sentence, remedy) from None
    owner = test if baseline is None else baseline.test
    if owner != test and not item.config.stash[COLLECTED].is_gone(owner):
        raise clash(path, owner, test)
    with progress_of(item) as progress:
        goal = LatencyGoal(
            budget_ms=partial(latency_budget, baseline=baseline, budget_settings=budget_settings),
            stored=settings.update or settings.propose is not None,
            progress=progress,
        )
        profile = measure(*call, budget_settings.measure_settings, goal)
    if settings.update:
        judgement = judge_ceilings(profile, budget_settings)
    else:
        try:
            judgement = judge(profile, baseline, budget_settings)
        except BaselineError as error:
            hint = f"if the change is meant: {update.command()}"
            raise BaselineError(f"{shown}: {error.sentence}", hint) from None
    return Result(
        test=test,
        name=part,
        path=str(path),
        file=shown,
        budget_settings=budget_settings,
        profile=profile,
        baseline=baseline,
        judgement=judgement,
        update=update,
    )


def _remedy(error: BaselineError, file: str, update: UpdateCommand) -> str:
    """Say what to type where a baseline is not valid."""
    file = shlex.quote(file)
    if isinstance(error, ConflictError):
        one_side = f"git checkout --ours -- {file} && {update.command()}"
        return f"take one side and measure it again: {one_side}"
    anew = f"rm {file} && {update.command()}"
    return f"restore it from version control, or write it anew: {anew}"
