"""The measuring of one call: a model and its inputs in, their profile out."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from threading import RLock
from typing import TYPE_CHECKING, Any

import torch

from pytest_flopbudget.errors import MeasureError
from pytest_flopbudget.measure.build_profile import build_profile
from pytest_flopbudget.measure.call import GradientsNeededError, ModelCall
from pytest_flopbudget.measure.counting import dispatch_engine, thop_engine
from pytest_flopbudget.measure.device_run import run_on_device
from pytest_flopbudget.measure.error_notes import argument_note_on_error, layer_note_on_error
from pytest_flopbudget.measure.isolation.interrupts import uninterrupted
from pytest_flopbudget.measure.layers import uncompiled
from pytest_flopbudget.measure.lazy_modules import initialized
from pytest_flopbudget.measure.profiled_call import profiled_call
from pytest_flopbudget.measure.targets.target import resolve
from pytest_flopbudget.measure.torch_internals.dispatch import modes_restored
from pytest_flopbudget.measure.torch_internals.tensors import (
    SUBCLASS_REFUSED,
    subclasses_constructed,
)
from pytest_flopbudget.metrics import METRICS, OPERATORS, TRAFFIC
from pytest_flopbudget.settings.measuring import LatencyGoal, MeasureSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import nn

    from pytest_flopbudget.measure.counting.flop_count import FlopCount
    from pytest_flopbudget.measure.profiled_call import ProfiledCall
    from pytest_flopbudget.measure.targets.target import Target
    from pytest_flopbudget.profile.model_profile import ModelProfile

NO_GOAL = LatencyGoal()
ONE_AT_A_TIME = RLock()  # flags, generators and handlers are the process's, not a thread's


def measure(
    called: Any,
    args: Any,
    kwargs: Mapping[str, Any] | None,
    settings: MeasureSettings,
    goal: LatencyGoal = NO_GOAL,
    progress: Callable[[str], None] = lambda _: None,
    *,
    modules: Any = None,
) -> ModelProfile:
    """Profile one call of a model, and leave the model as it was.

    Threads that measure wait for each other.

    Args:
        called: a module, a bound method of one, or a function.
        args: its positional arguments, as `profile_model` takes them.
        kwargs: its keyword arguments.
        settings: what is measured, and how.
        goal: what the latency is for.
        progress: is told which phase begins.
        modules: those that a function calls: one module, or a dict of names and modules.

    Raises:
        MeasureError: the model cannot be profiled.
        Exception: what the model itself raises.
    """
    model, target = resolve(called, modules)
    _check(settings)
    with ONE_AT_A_TIME, modes_restored(), argument_note_on_error(args, kwargs):
        return _measure(model, target, args, kwargs, settings, goal, progress)


@uninterrupted
def _measure(
    model: nn.Module,
    target: Target | None,
    args: Any,
    kwargs: Mapping[str, Any] | None,
    settings: MeasureSettings,
    goal: LatencyGoal,
    progress: Callable[[str], None],
) -> ModelProfile:
    training = settings.mode == "training"
    call = ModelCall.of(uncompiled(model), args, kwargs, training=training, target=target)
    constructs = False  # subclasses of tensors, which needs a way around
    while True:
        try:
            with subclasses_constructed() if constructs else nullcontext():
                return _measure_call(model, call, settings, goal, progress)
        except GradientsNeededError:  # noqa: PERF203 - three times at most
            call = replace(call, gradients=True)
        except RuntimeError as error:
            if constructs or SUBCLASS_REFUSED not in str(error):
                raise
            constructs = True


def _measure_call(
    model: nn.Module,
    call: ModelCall,
    settings: MeasureSettings,
    goal: LatencyGoal,
    progress: Callable[[str], None],
) -> ModelProfile:
    with (
        initialized(uncompiled(model), call, settings.seed),
        profiled_call(model, call, seed=settings.seed) as profiled,
    ):
        with layer_note_on_error(profiled.layers):
            count = _count(profiled, settings, progress)
            written = () if count is None else count.written
            device_run = run_on_device(profiled, settings, goal, progress, written)
        return build_profile(profiled, settings, count, device_run)


def _check(settings: MeasureSettings) -> None:
    if settings.mode == "training" and torch.is_inference_mode_enabled():
        raise MeasureError(
            "training mode needs gradients, found `torch.inference_mode()`, which records none",
            "call it outside of `torch.inference_mode()`; `torch.no_grad()` is no obstacle",
        )


def _count(
    profiled: ProfiledCall, settings: MeasureSettings, progress: Callable[[str], None]
) -> FlopCount | None:
    """Count the FLOPs, unless no metric needs them; what depends on the environment does."""
    metrics = [METRICS[key] for key in settings.metrics]
    if not any(metric.counted or not metric.exact for metric in metrics):
        return None
    progress("counting")
    if settings.engine == "dispatch":
        traffic = TRAFFIC in metrics or OPERATORS in metrics
        return dispatch_engine.count_flops(profiled, traffic=traffic)
    return thop_engine.count_flops(profiled, settings.engine)
