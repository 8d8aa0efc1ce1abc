"""Measuring: the only part that imports torch. A model and its inputs to a profile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from pytest_flopbudget.errors import MeasureError
from pytest_flopbudget.measure.build_profile import Timed, assemble
from pytest_flopbudget.measure.call import Call, copied, set_mode
from pytest_flopbudget.measure.call_interception import is_compiled
from pytest_flopbudget.measure.counting import dispatch_engine, thop_engine
from pytest_flopbudget.measure.error_notes import layer_noted
from pytest_flopbudget.measure.hardware.devices import dtype_of, is_there, requested
from pytest_flopbudget.measure.hardware.environment import environment_of
from pytest_flopbudget.measure.isolation.model_state import ModelState, kept
from pytest_flopbudget.measure.isolation.placement import moved
from pytest_flopbudget.measure.isolation.tensor_contents import data_kept, values_kept
from pytest_flopbudget.measure.layers import Layers
from pytest_flopbudget.measure.lazy_modules import initialised
from pytest_flopbudget.measure.memory.meter import meter_of
from pytest_flopbudget.measure.memory.peak import weigh
from pytest_flopbudget.measure.timing.clock import clock_of
from pytest_flopbudget.measure.timing.latency import Timing, time_call
from pytest_flopbudget.settings.measuring import Plan, Purpose

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_flopbudget.measure.counting.flop_count import Count
    from pytest_flopbudget.profile.environment import Environment
    from pytest_flopbudget.profile.model_profile import ModelProfile

UNBOUND = Purpose()
RUN = ("latency", "memory")  # the metrics for which a model is run on its device


def measure(
    model: nn.Module,
    args: Any,
    kwargs: Mapping[str, Any] | None,
    plan: Plan,
    purpose: Purpose = UNBOUND,
) -> ModelProfile:
    """Profile one call of a model, and leave the model as it was.

    Raises:
        MeasureError: the model cannot be profiled.
        Exception: what the model itself raises.
    """
    _check(model)
    call = Call.of(_uncompiled(model), args, kwargs, training=plan.mode == "training")
    model = initialised(model, call)
    original = _uncompiled(model)
    layers = Layers(original)
    counted, timed = None, Timed()
    with kept(model) as state, layer_noted(layers):
        purpose.progress("counting")
        if {"gflops", *RUN} & set(plan.metrics):  # what is run for real is stored with its GFLOPs
            counted = _count(original, layers, state, call, plan.engine)
        if {*RUN} & set(plan.metrics):
            timed = _time(model, layers, state, call, plan, purpose, counted)
    return assemble(original, layers, call, plan, counted, timed)


def _count(model: nn.Module, layers: Layers, state: ModelState, call: Call, engine: str) -> Count:
    if engine == "dispatch":
        return dispatch_engine.count(model, layers, state, call)
    return thop_engine.count(model, layers, state, call, engine)


def _time(
    model: nn.Module,
    layers: Layers,
    state: ModelState,
    call: Call,
    plan: Plan,
    purpose: Purpose,
    counted: Count | None,
) -> Timed:
    """Time and weigh a model where that is asked for, or say why it cannot be."""
    whole = is_compiled(model)  # so its layers do not run one by one
    compiled = whole or any(map(is_compiled, layers.modules))
    tensors = [*model.parameters(), *model.buffers(), *call.tensors()]
    device = requested(plan.device, tensors)
    if device.type == "meta" or any(tensor.is_meta for tensor in tensors):
        return Timed(reasons=dict.fromkeys(RUN, "the weights are on meta"))
    if not is_there(device):
        return Timed(reasons=dict.fromkeys(RUN, f"there is no device `{device}` here"))
    written = [] if counted is None else counted.written
    if any(map(_has_hooks, state.tensors)):
        written = [*written, *model.parameters()]  # an optimiser may step in backward
    kept_values = values_kept([*model.buffers(), *written])
    where = environment_of(device, dtype_of(tensors), threads=plan.threads, compiled=compiled)
    timed, parts = Timed(environment=where), None if whole else layers
    with data_kept(state.tensors), kept_values, moved(state, device):
        state.clear_gradients()
        set_mode(model, training=call.training)
        with call.standing_in(lambda tensor: copied(tensor, device)) as inputs:
            before = inputs.objects(), ModelState(model)
            if "latency" in plan.metrics:
                timing = _timing(plan, purpose, where)
                timed.latency = time_call(model, parts, inputs, clock_of(device), timing)
                for state_before in before:
                    state_before.restore()
            if "memory" in plan.metrics:
                purpose.progress("weighing")
                meter = meter_of(device, compiled=compiled)
                if isinstance(meter, str):
                    timed.reasons["memory"] = meter
                else:
                    timed.memory = weigh(model, parts, inputs, meter)
    return timed


def _timing(plan: Plan, purpose: Purpose, where: Environment) -> Timing:
    """Say how a model is timed in an environment."""
    budget_ms = purpose.budget_ms(where)
    return Timing(
        threads=plan.threads,
        limit_s=plan.time_limit,
        budget_ms=None if budget_ms is None else float(budget_ms),
        stored=purpose.stored,
        compiled=where.compiled,
        progress=purpose.progress,
    )


def _has_hooks(tensor: torch.Tensor) -> bool:
    """Tell whether something runs when the gradient of a tensor is there."""
    return bool(tensor._backward_hooks or getattr(tensor, "_post_accumulate_grad_hooks", None))


def _uncompiled(model: nn.Module) -> nn.Module:
    """Return the model that a compiled one was made of."""
    original: nn.Module = getattr(model, "_orig_mod", model)
    return original


def _check(model: object) -> None:
    if not isinstance(model, nn.Module):
        raise MeasureError(
            f"expected a `torch.nn.Module` as the model, found `{type(model).__name__}`",
            "the model comes first, then its arguments",
        )
