"""Measuring: the only part that imports torch. A model and its inputs to a profile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import nn
from torch.nn.parameter import is_lazy

from pytest_flopbudget.errors import MeasureError
from pytest_flopbudget.measure import count, thop_engine
from pytest_flopbudget.measure.assemble import assemble
from pytest_flopbudget.measure.call import Call, set_mode
from pytest_flopbudget.measure.clock import WallClock
from pytest_flopbudget.measure.devices import dtype_of, is_there, moved, requested
from pytest_flopbudget.measure.environment import environment
from pytest_flopbudget.measure.keep import ModelState, kept, values_kept
from pytest_flopbudget.measure.latency import Latency, time_call
from pytest_flopbudget.measure.layers import Layers
from pytest_flopbudget.terms import Terms, parse_arguments

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_flopbudget.profile import ModelProfile


def profile_model(
    model: nn.Module,
    args: Any = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    engine: str = "dispatch",
    mode: str = "inference",
    device: str | None = None,
    metrics: Iterable[str] = ("params", "gflops"),
    threads: int = 1,
) -> ModelProfile:
    """Profile one call of a model, layer by layer, and leave the model as it was.

    Args:
        model: the module to call.
        args: its positional arguments, a tuple or one tensor. Without any arguments,
            Lightning's `example_input_array` is used if the model has it.
        kwargs: its keyword arguments.
        engine: `dispatch` counts the operators that run; `thop` gives twice the MACs that the
            installed THOP counts; `yolov5` is THOP by the rules of YOLOv5's published tables.
        mode: `inference`, or `training` for forward and backward.
        device: where to time, as in `torch.device`, or `auto`; where the model is if `None`.
        metrics: any of `params`, `gflops`, `latency`.
        threads: intra-op threads on the CPU while timing.

    Returns:
        The profile: FLOPs count a multiply-add as two, latency is in milliseconds.

    Raises:
        SettingsError: an argument has an unknown value.
        MeasureError: the model cannot be profiled.
        Exception: what the model itself raises.
    """
    given = {"engine": engine, "mode": mode, "metrics": metrics, "threads": threads}
    if device is not None:
        given["device"] = device
    return measure(model, args, kwargs, Terms(**parse_arguments("`profile_model`", (), given)))


def measure(
    model: nn.Module, args: Any, kwargs: Mapping[str, Any] | None, terms: Terms
) -> ModelProfile:
    """Profile one call of a model as the terms of a budget ask."""
    _check(model)
    original = getattr(model, "_orig_mod", model)  # of a compiled model
    layers = Layers(original)
    call = Call.of(original, args, kwargs, training=terms.mode == "training")
    counted = latency = where = None
    not_measured: dict[str, str] = {}
    with kept(model) as state:
        set_mode(model, training=call.training)
        if set(terms.metrics) & {"gflops", "latency"}:
            counted = _count(original, layers, call, terms)
        if "latency" in terms.metrics:
            tensors = [*state.tensors, *call.tensors()]
            device = requested(terms.device, tensors)
            if device.type == "meta":
                not_measured["latency"] = "the weights are on meta"
            elif not is_there(device):
                not_measured["latency"] = f"there is no device `{device}` here"
            else:
                compiled = original is not model
                where = environment(
                    device, dtype_of(tensors), threads=terms.threads, compiled=compiled
                )
                latency = _time(model, layers, call, terms, device, counted)
    return assemble(
        original, layers, call, terms, counted, latency, where=where, not_measured=not_measured
    )


def _count(model: nn.Module, layers: Layers, call: Call, terms: Terms) -> count.Count:
    state = ModelState(model)  # in the mode in which it runs
    if terms.engine == "dispatch":
        return count.count(model, layers, state, call)
    return thop_engine.count(model, layers, state, call, terms.engine)


def _time(
    model: nn.Module, layers: Layers, call: Call, terms: Terms, device: Any, counted: Any
) -> Latency:
    there = call.mapped(
        lambda tensor: tensor.detach().clone().to(device).requires_grad_(tensor.requires_grad)
    )
    with values_kept([*counted.written, *model.buffers()]), moved(model, device):
        return time_call(
            model,
            layers,
            there,
            WallClock(device),
            threads=terms.threads,
            limit_s=terms.time_limit,
        )


def _check(model: object) -> None:
    if not isinstance(model, nn.Module):
        raise MeasureError(
            f"expected a `torch.nn.Module` as the model, found `{type(model).__name__}`",
            "call it as flop_budget(model, *args, **kwargs)",
        )
    for name, parameter in [*model.named_parameters(), *model.named_buffers()]:
        if is_lazy(parameter):
            raise MeasureError(
                f"the parameter `{name}` is lazy: its shape is not known yet",
                "call the model once before you profile it",
            )
