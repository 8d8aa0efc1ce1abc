"""Measuring: the only part that imports torch. A model and its inputs to a profile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn

from pytest_flopbudget.errors import MeasureError
from pytest_flopbudget.measure.build_profile import DeviceRun, build_profile
from pytest_flopbudget.measure.call import ModelCall, copy_to, set_mode
from pytest_flopbudget.measure.call_interception import is_compiled
from pytest_flopbudget.measure.counting import dispatch_engine, thop_engine
from pytest_flopbudget.measure.error_notes import layer_note_on_error
from pytest_flopbudget.measure.hardware.devices import dtype_of, is_present, requested
from pytest_flopbudget.measure.hardware.environment import environment_of
from pytest_flopbudget.measure.isolation.model_state import SavedState, restored_after
from pytest_flopbudget.measure.isolation.placement import placed_on
from pytest_flopbudget.measure.isolation.tensor_contents import contents_restored, memory_restored
from pytest_flopbudget.measure.layers import Layers, uncompiled
from pytest_flopbudget.measure.lazy_modules import initialized
from pytest_flopbudget.measure.memory.meter import meter_of
from pytest_flopbudget.measure.memory.peak import measure_peak
from pytest_flopbudget.measure.profiled_call import ProfiledCall
from pytest_flopbudget.measure.timing.clock import clock_of
from pytest_flopbudget.measure.timing.latency import Timing, time_call
from pytest_flopbudget.measure.torch_internals.autograd import has_gradient_hooks
from pytest_flopbudget.settings.measuring import LatencyGoal, MeasureSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pytest_flopbudget.measure.counting.flop_count import FlopCount
    from pytest_flopbudget.profile.environment import Environment
    from pytest_flopbudget.profile.model_profile import ModelProfile

UNBOUND = LatencyGoal()
RUN = ("latency", "memory")  # the metrics for which a model is run on its device


def measure(
    model: nn.Module,
    args: Any,
    kwargs: Mapping[str, Any] | None,
    settings: MeasureSettings,
    goal: LatencyGoal = UNBOUND,
    progress: Callable[[str], None] = lambda _: None,
) -> ModelProfile:
    """Profile one call of a model, and leave the model as it was.

    Args:
        model: the module to call.
        args: its positional arguments, a tuple or one tensor.
        kwargs: its keyword arguments.
        settings: what is measured, and how.
        goal: what the latency is for.
        progress: is told which phase begins.

    Raises:
        MeasureError: the model cannot be profiled.
        Exception: what the model itself raises.
    """
    _check(model)
    call = ModelCall.of(uncompiled(model), args, kwargs, training=settings.mode == "training")
    model = initialized(model, call)
    original = uncompiled(model)
    layers = Layers(original)
    counted, timed = None, DeviceRun()
    with restored_after(model) as state, layer_note_on_error(layers):
        progress("counting")
        if {"gflops", *RUN} & set(
            settings.metrics
        ):  # what is run for real is stored with its GFLOPs
            counted = _count(original, layers, state, call, settings.engine)
        if {*RUN} & set(settings.metrics):
            timed = _time(model, layers, state, call, settings, goal, progress, counted)
    return build_profile(original, layers, call, settings, counted, timed)


def _count(
    model: nn.Module, layers: Layers, state: SavedState, call: ModelCall, engine: str
) -> FlopCount:
    profiled = ProfiledCall(model, layers, state, call)
    if engine == "dispatch":
        return dispatch_engine.count_flops(profiled)
    return thop_engine.count_flops(profiled, engine)


def _time(
    model: nn.Module,
    layers: Layers,
    state: SavedState,
    call: ModelCall,
    settings: MeasureSettings,
    goal: LatencyGoal,
    progress: Callable[[str], None],
    counted: FlopCount | None,
) -> DeviceRun:
    """Time and weigh a model where that is asked for, or say why it cannot be."""
    whole = is_compiled(model)  # so its layers do not run one by one
    compiled = whole or any(map(is_compiled, layers.modules))
    tensors = [*model.parameters(), *model.buffers(), *call.tensors()]
    device = requested(settings.device, tensors)
    if device.type == "meta" or any(tensor.is_meta for tensor in tensors):
        return DeviceRun(reasons=dict.fromkeys(RUN, "the weights are on meta"))
    if not is_present(device):
        return DeviceRun(reasons=dict.fromkeys(RUN, f"there is no device `{device}` here"))
    written = [] if counted is None else counted.written
    if any(map(has_gradient_hooks, state.tensors)):
        written = [*written, *model.parameters()]  # an optimiser may step in backward
    kept_values = contents_restored([*model.buffers(), *written])
    where = environment_of(device, dtype_of(tensors), threads=settings.threads, compiled=compiled)
    timed, parts = DeviceRun(environment=where), None if whole else layers
    with memory_restored(state.tensors), kept_values, placed_on(state, device):
        state.clear_gradients()
        set_mode(model, training=call.training)
        with call.standing_in(lambda tensor: copy_to(tensor, device)) as inputs:
            before = inputs.objects(), SavedState(model)
            if "latency" in settings.metrics:
                timing = _timing(settings, goal, where, progress)
                timed.latency = time_call(model, parts, inputs, clock_of(device), timing)
                for state_before in before:
                    state_before.restore()
            if "memory" in settings.metrics:
                progress("measuring memory")
                meter = meter_of(device, compiled=compiled)
                if isinstance(meter, str):
                    timed.reasons["memory"] = meter
                else:
                    timed.memory = measure_peak(model, parts, inputs, meter)
    return timed


def _timing(
    settings: MeasureSettings,
    goal: LatencyGoal,
    where: Environment,
    progress: Callable[[str], None],
) -> Timing:
    """Say how a model is timed in an environment."""
    budget_ms = goal.budget_ms(where)
    return Timing(
        threads=settings.threads,
        limit_s=settings.time_limit,
        budget_ms=None if budget_ms is None else float(budget_ms),
        stored=goal.stored,
        compiled=where.compiled,
        progress=progress,
    )


def _check(model: object) -> None:
    if not isinstance(model, nn.Module):
        raise MeasureError(
            f"expected a `torch.nn.Module` as the model, found `{type(model).__name__}`",
            "the model comes first, then its arguments",
        )
