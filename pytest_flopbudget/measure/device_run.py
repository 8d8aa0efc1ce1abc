"""The run of a model on a device: its latency, its memory, and the environment of both."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from pytest_flopbudget.measure.call import set_mode
from pytest_flopbudget.measure.hardware.devices import (
    NotMeasuredError,
    usable_device,
)
from pytest_flopbudget.measure.hardware.environment import environment_of
from pytest_flopbudget.measure.isolation.model_state import SavedState
from pytest_flopbudget.measure.isolation.placement import placed_on
from pytest_flopbudget.measure.isolation.process.output import output_dropped
from pytest_flopbudget.measure.isolation.process.tracers import without_tracers
from pytest_flopbudget.measure.isolation.tensor_contents import contents_restored, memory_restored
from pytest_flopbudget.measure.memory.meter import meter_of
from pytest_flopbudget.measure.memory.peak import Memory, measure_peak
from pytest_flopbudget.measure.timing.clock import clock_of
from pytest_flopbudget.measure.timing.latency import Latency, Timing, time_call
from pytest_flopbudget.measure.torch_internals.storages import bytes_of
from pytest_flopbudget.metrics import LATENCY, MEMORY, noisy_metrics
from pytest_flopbudget.profile.environment import Environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import torch

    from pytest_flopbudget.measure.profiled_call import ProfiledCall
    from pytest_flopbudget.settings.measuring import LatencyGoal, MeasureSettings


COPIED_BYTES = 2**30  # of tensors that are copied though no counted call wrote into them


@dataclass(kw_only=True)
class DeviceRun:
    """What a run on a device found: for each metric that was asked for, its figures or a reason."""

    environment: Environment | None = None  # `None` if nothing was run
    latency: Latency | None = None
    memory: Memory | None = None
    not_measured: dict[str, str] = field(default_factory=dict)  # by metric: the reason


def run_on_device(
    profiled: ProfiledCall,
    settings: MeasureSettings,
    goal: LatencyGoal,
    progress: Callable[[str], None],
    written: Iterable[torch.Tensor],
) -> DeviceRun:
    """Run a model on its device for the metrics that need it, and leave all as it was.

    Args:
        profiled: the call.
        settings: what is measured, and how.
        goal: what the latency is for.
        progress: is told which phase begins.
        written: the tensors into which the call writes, as far as is known.
    """
    asked = [metric.key for metric in noisy_metrics() if metric.key in settings.metrics]
    if not asked:
        return DeviceRun()
    try:
        device = usable_device(settings.device, profiled.tensors)
    except NotMeasuredError as error:
        return DeviceRun(not_measured=dict.fromkeys(asked, error.reason))
    environment = environment_of(device, threads=settings.threads)
    run = DeviceRun(environment=environment)
    with _placed(profiled, device, written) as placed, output_dropped():
        if LATENCY.key in asked:
            timing = partial(_timing, settings, goal, progress, compiled=profiled.is_compiled)
            run.latency = _time(placed, device, timing(environment))
            if run.latency.threads != environment.threads:  # forward set it: another environment
                run.environment = replace(environment, threads=run.latency.threads)
                run.latency = _time(placed, device, timing(run.environment))
        if MEMORY.key in asked:
            progress("measuring memory")
            try:
                run.memory = measure_peak(placed, meter_of(device, compiled=profiled.is_compiled))
            except NotMeasuredError as error:
                run.not_measured[MEMORY.key] = error.reason
    return run


@contextmanager
def _placed(
    profiled: ProfiledCall, device: torch.device, written: Iterable[torch.Tensor]
) -> Iterator[ProfiledCall]:
    """Yield the call with the model and its inputs on a device; both are restored at the end."""
    model, state = profiled.model, profiled.state
    # An optimiser may step in backward, whoever holds it, and a later call write what none did.
    if profiled.call.training or bytes_of(state.tensors) <= COPIED_BYTES:
        written = [*written, *state.tensors]
    with (
        contents_restored([*model.buffers(), *profiled.unseen, *written]),
        memory_restored(state.tensors),
        placed_on(state, device) as own,
    ):
        state.clear_gradients()
        set_mode(model, training=profiled.call.training)
        with profiled.call.copied(own, device) as inputs:
            yield replace(profiled, call=inputs)


def _timing(
    settings: MeasureSettings,
    goal: LatencyGoal,
    progress: Callable[[str], None],
    environment: Environment,
    *,
    compiled: bool,
) -> Timing:
    budget_ms = goal.budget_ms(environment)
    return Timing(
        threads=environment.threads,
        limit_s=settings.time_limit,
        budget_ms=None if budget_ms is None else float(budget_ms),
        may_be_stored=goal.may_be_stored,
        compiled=compiled,
        progress=progress,
    )


def _time(profiled: ProfiledCall, device: torch.device, timing: Timing) -> Latency:
    """Time the call, and undo what its rounds left in the model and in its inputs."""
    before = profiled.call.saved_objects(), SavedState(profiled.call.owner(profiled.model))
    latency = without_tracers(time_call, profiled, clock_of(device), timing)
    for state in before:
        state.restore()
    return latency
