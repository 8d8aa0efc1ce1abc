"""Profiling without pytest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_flopbudget.settings.budget import ARGUMENTS
from pytest_flopbudget.settings.measuring import MeasureSettings
from pytest_flopbudget.settings.parsers import parse_each

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from torch import nn

    from pytest_flopbudget.profile.model_profile import ModelProfile


def profile_model(
    model: nn.Module | Callable[..., Any],
    args: Any = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    engine: str = "dispatch",
    mode: str = "inference",
    device: str | None = None,
    metrics: Iterable[str] = ("params", "gflops"),
    threads: int = 1,
    modules: nn.Module | Mapping[str, nn.Module] | None = None,
) -> ModelProfile:
    """Profile one call of a model, layer by layer, and leave the model as it was.

    Args:
        model: the module to call, or a bound method of one (`model.generate`), or any other
            callable together with `modules`.
        args: its positional arguments, a tuple or one tensor. Without any arguments,
            Lightning's `example_input_array` is used if the model has it.
        kwargs: its keyword arguments.
        engine: `dispatch` counts the operators that run; `thop` gives twice the MACs that the
            installed THOP counts; `yolov5` is THOP by the rules of YOLOv5's published tables.
        mode: `inference`, or `training` for forward and backward.
        device: where to time and to measure memory, as in `torch.device`, or `auto`; where the
            model is if `None`.
        metrics: any of `params`, `gflops`, `traffic`, `operators`, `weights`, `latency`, `memory`.
        threads: intra-op threads on the CPU while timing.
        modules: those that a callable calls: one module, whose layers are profiled, or a dict of
            names and modules, whose layers are found under `name.path`.

    Returns:
        The profile: FLOPs count a multiply-add as two, latency is in milliseconds.
            `memory_bytes` is the peak of what the call allocates beyond the model and its inputs,
            `traffic_bytes` what its operators read and write.

    Raises:
        SettingsError: an argument has an unknown value.
        MeasureError: the model cannot be profiled.
        Exception: what the model itself raises.
    """
    given = {"engine": engine, "mode": mode, "metrics": metrics, "threads": threads}
    if device is not None:
        given["device"] = device
    settings = MeasureSettings(**parse_each("`profile_model`", ARGUMENTS, given))

    from pytest_flopbudget.measure.pipeline import measure

    return measure(model, args, kwargs, settings, modules=modules)
