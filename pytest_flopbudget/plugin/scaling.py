"""Budgets over sizes: builds and measures a model at each of them, and judges how it grows."""

from __future__ import annotations

import gc
import warnings
from dataclasses import replace
from math import gcd
from typing import TYPE_CHECKING, Any

from pytest_flopbudget.errors import BaselineError, SettingsError, one_of, with_nearest
from pytest_flopbudget.metrics import METRICS, exact_metrics
from pytest_flopbudget.metrics import ceilings as all_ceilings
from pytest_flopbudget.plugin.evaluate import BudgetRequest, read_baseline
from pytest_flopbudget.plugin.progress import progress_of
from pytest_flopbudget.profile.scaling_profile import ScalingProfile
from pytest_flopbudget.settings.budget import parse_arguments
from pytest_flopbudget.verdict.judge_scaling import (
    judge_absolutely,
    judge_scaling,
    scaling_result,
)
from pytest_flopbudget.verdict.result import Result

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_flopbudget.profile.model_profile import ModelProfile
    from pytest_flopbudget.verdict.verdict import Judgement

WHERE = "`flop_budget.scaling`"
LEAST = 2  # sizes


def check_sizes(sizes: Any, max_degree: int | None) -> tuple[int, ...]:
    """Return the sizes in rising order.

    Raises:
        SettingsError: they are no sizes, or too few.
    """
    try:
        found = tuple(sizes)
    except TypeError:
        raise _sizes_error(f"found `{sizes!r}`") from None
    for size in found:
        if type(size) is not int or size < 1:
            raise _sizes_error(f"found `{size!r}`")
    if len(set(found)) != len(found):
        again = next(size for size in found if found.count(size) > 1)
        raise _sizes_error(f"found {again} twice")
    if max_degree is not None and (type(max_degree) is not int or max_degree < 0):
        raise SettingsError(
            f"{WHERE}: expected a whole number, 0 or more, as `max_degree`, found `{max_degree!r}`"
        )
    needed = LEAST if max_degree is None else max_degree + 2
    if len(found) < needed:
        reason = "" if max_degree is None else f" for `max_degree={max_degree}`"
        raise _sizes_error(f"found {len(found)}", f"at least {needed} {{}}{reason}")
    if (factor := gcd(*found)) > 1 and 1 not in found:
        warnings.warn(
            f"{WHERE}: all sizes are multiples of {factor}, so that padding to these costs "
            f"nothing here and stays unseen: add one that is not, as {found[-1] - 1}",
            stacklevel=3,
        )
    return tuple(sorted(found))


def _sizes_error(found: str, expected: str = "{}") -> SettingsError:
    sizes = expected.format("distinct whole numbers from 1 on")
    return SettingsError(f"{WHERE}: expected {sizes} as sizes, {found}")


def arguments_of(metrics: Any, ceilings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parsed arguments of a call: its metrics, and its ceilings by metric.

    Raises:
        SettingsError: one has a wrong name or value, or is about a metric that is not exact.
    """
    limited = {name: metric for name, metric in all_ceilings().items() if metric.exact}
    for name in ceilings:
        if name not in limited:
            raise SettingsError(
                with_nearest(f"{WHERE}: unknown argument `{name}`", name, limited),
                f"the ceilings of the largest size are {one_of(limited)}",
            )
    typed = {} if metrics is None else {"metrics": metrics}
    parsed = parse_arguments(WHERE, (), {**typed, **ceilings})
    others = [key for key in parsed.get("metrics", ()) if not METRICS[key].exact]
    if others:
        raise SettingsError(
            f"{WHERE}: expected exact metrics, found `{others[0]}`, which depends on the machine",
            f"the exact metrics are {one_of(metric.key for metric in exact_metrics())}",
        )
    chosen = {"metrics": parsed["metrics"]} if typed else {}
    return {**chosen, "ceilings": {limited[name].key: parsed[name] for name in ceilings}}


def of_sizes(request: BudgetRequest, arguments: Mapping[str, Any]) -> BudgetRequest:
    """Return the request with the settings of a budget over sizes.

    Metrics are the exact ones; ceilings are those of the call alone.
    """
    settings = request.budget_settings
    pinned = "metrics" in request.settings.pinned
    chosen = settings.metrics if pinned else arguments.get("metrics", settings.metrics)
    exact = tuple(key for key in chosen if METRICS[key].exact)
    if not exact:
        raise SettingsError(
            f"{WHERE}: expected an exact metric, found {one_of(chosen)} only",
            f"the exact metrics are {one_of(metric.key for metric in exact_metrics())}",
        )
    return replace(
        request,
        budget_settings=replace(settings, metrics=exact, ceilings=arguments["ceilings"]),
    )


def evaluate_scaling(
    request: BudgetRequest,
    build: Callable[[int], Any],
    sizes: tuple[int, ...],
    of: str,
    max_degree: int | None,
) -> tuple[Result, ScalingProfile]:
    """Return the result of one budget over sizes, and what was measured.

    Raises:
        BaselineError: the baseline cannot be read, or was made for something else.
        MeasureError: a model cannot be profiled.
        Exception: what `build` or a model itself raises.
    """
    from pytest_flopbudget.measure.isolation.random_state import random_state_restored

    baseline = read_baseline(request)
    with random_state_restored():
        profiles = tuple(_measured(request, build, size) for size in sizes)
    measured = ScalingProfile(
        sizes=sizes,
        profiles=profiles,
        of=of,
        metrics=request.budget_settings.metrics,
    )
    result = Result(
        test=request.test,
        name=request.name,
        path=str(request.path),
        file=request.file,
        budget_settings=request.budget_settings,
        profile=measured.profiles[-1],
        baseline=baseline,
        judgement=_judged(request, measured, baseline, max_degree),
        update=request.update,
        scaling=scaling_result(measured, baseline, max_degree),
    )
    return result, measured


def _measured(request: BudgetRequest, build: Callable[[int], Any], size: int) -> ModelProfile:
    """Build the model of one size, profile it, and let go of it before the next is built."""
    from pytest_flopbudget.measure.isolation.random_state import seed_generators
    from pytest_flopbudget.measure.pipeline import measure

    settings = request.budget_settings.measure_settings
    seed_generators(settings.seed)
    model, args, kwargs, modules = _built(build(size), size)
    with progress_of(request.item) as progress:
        profile = measure(model, args, kwargs, settings, progress=progress, modules=modules)
    del model, args, kwargs, modules
    gc.collect()
    return profile


def _built(built: Any, size: int) -> tuple[Any, Any, Any, Any]:
    """Return model, arguments, keyword arguments and modules.

    Raises:
        SettingsError: `build` returned something else.
    """
    if not isinstance(built, tuple) or not 2 <= len(built) <= 4:  # noqa: PLR2004
        found = f"a tuple of {len(built)}" if isinstance(built, tuple) else type(built).__name__
        raise SettingsError(
            f"{WHERE}: expected `build({size})` to return `(model, args)` or "
            f"`(model, args, kwargs)`, found `{found}`",
            "args is a tuple or one tensor, as `profile_model` takes it",
        )
    model, args, kwargs, modules = (*built, None, None)[:4]
    return model, args, kwargs, modules


def _judged(
    request: BudgetRequest,
    measured: ScalingProfile,
    baseline: Any,
    max_degree: int | None,
) -> Judgement:
    settings = request.budget_settings
    if request.settings.update:
        return judge_absolutely(measured, settings, max_degree)
    try:
        return judge_scaling(measured, baseline, settings, max_degree)
    except BaselineError as error:
        hint = f"if the change is meant: {request.update.command()}"
        raise BaselineError(f"{request.file}: {error.sentence}", hint) from None
