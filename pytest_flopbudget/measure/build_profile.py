"""The profile of a model, built from what was counted and measured by layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_flopbudget.escaping import encodable
from pytest_flopbudget.measure.counting import thop_engine
from pytest_flopbudget.measure.params import count_params, state_of
from pytest_flopbudget.profile.model_profile import LayerProfile, ModelProfile, Uncounted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import nn

    from pytest_flopbudget.measure.counting.flop_count import FlopCount
    from pytest_flopbudget.measure.device_run import DeviceRun
    from pytest_flopbudget.measure.layers import Layers
    from pytest_flopbudget.measure.profiled_call import ProfiledCall
    from pytest_flopbudget.measure.timing.latency import Latency
    from pytest_flopbudget.measure.timing.layer_times import OwnTimes
    from pytest_flopbudget.settings.measuring import MeasureSettings

    Columns = dict[str, Sequence[Any]]  # by the name of a field of `LayerProfile`: for each layer


def build_profile(
    profiled: ProfiledCall,
    settings: MeasureSettings,
    count: FlopCount | None,
    device_run: DeviceRun,
) -> ModelProfile:
    """Return the profile of a call."""
    layers, training = profiled.layers, profiled.call.training
    latency, memory = device_run.latency, device_run.memory
    columns = _param_columns(layers)
    if count is not None:
        columns |= _count_columns(count, layers, training=training)
    if latency is not None and latency.own is not None:
        columns |= _latency_columns(latency.own, layers, training=training)
    if memory is not None and memory.layer_bytes:
        columns["memory_bytes"] = memory.layer_bytes
    profiles = tuple(_layer_profiles(layers, columns))
    root = profiles[0]
    return ModelProfile(
        model=root.type,
        mode=settings.mode,
        engine=settings.engine,
        counter=None if settings.engine == "dispatch" else thop_engine.counter(),
        state=state_of(profiled),
        inputs=tuple(map(encodable, profiled.call.describe())),
        params=root.params,
        trainable_params=root.trainable_params,
        buffers=sum(buffer.numel() for buffer in profiled.module.buffers()),
        flops=root.flops,
        forward_flops=root.forward_flops,
        backward_flops=root.backward_flops,
        **({} if latency is None else _latency_fields(latency, training=training)),
        memory_bytes=None if memory is None else memory.total_bytes,
        layers=profiles,
        **({} if count is None else _count_fields(count, layers)),
        environment=device_run.environment,
        not_measured=device_run.not_measured,
    )


def _layer_profiles(layers: Layers, columns: Columns) -> Iterator[LayerProfile]:
    rows = zip(*columns.values(), strict=True)
    for path, module, row in zip(layers.paths, layers.modules, rows, strict=True):
        figures = dict(zip(columns, row, strict=True))
        yield LayerProfile(
            path=path, type=type(module).__name__, arguments=_arguments(module), **figures
        )


def _arguments(module: nn.Module) -> str:
    """Return the module's own description of itself, on one line."""
    return encodable(" ".join(module.extra_repr().split()))


def _param_columns(layers: Layers) -> Columns:
    own, trainable = count_params(layers)
    return {
        "own_params": own,
        "params": layers.totals(own),
        "trainable_params": layers.totals(trainable),
    }


def _count_columns(count: FlopCount, layers: Layers, *, training: bool) -> Columns:
    own = [f + b for f, b in zip(count.forward, count.backward, strict=True)]
    columns: Columns = {
        "own_flops": own,
        "flops": layers.totals(own),
        "calls": count.module_calls.calls,
        "input_shapes": count.module_calls.inputs,
        "output_shapes": count.module_calls.outputs,
    }
    if training:
        columns |= {
            "own_forward_flops": count.forward,
            "forward_flops": layers.totals(count.forward),
            "own_backward_flops": count.backward,
            "backward_flops": layers.totals(count.backward),
        }
    return columns


def _count_fields(count: FlopCount, layers: Layers) -> dict[str, Any]:
    return {
        "uncounted": tuple(
            Uncounted(operator=name, path=layers.paths[layer], shapes=ran.shapes, calls=ran.calls)
            for (name, layer), ran in count.uncounted.items()
        ),
        "unused": tuple(map(encodable, count.unused)),
        "counted_on": count.counted_on,
        "data_dependent": count.data_dependent,
    }


def _latency_columns(own: OwnTimes, layers: Layers, *, training: bool) -> Columns:
    """Return the own times of layers and their totals; a layer that was not called has none."""
    called = [int(layer in own.called) for layer in range(len(layers))]
    known = layers.totals(called)  # a container is not called, but what it holds

    def own_and_total(name: str, times_ms: list[float]) -> Columns:
        own_ms = [time if was else None for time, was in zip(times_ms, called, strict=True)]
        totals = zip(layers.totals(times_ms), known, strict=True)
        return {f"own_{name}": own_ms, name: [time if was else None for time, was in totals]}

    both = [f + b for f, b in zip(own.forward_ms, own.backward_ms, strict=True)]
    columns = own_and_total("latency_ms", both)
    if training:
        columns |= own_and_total("forward_latency_ms", own.forward_ms)
        columns |= own_and_total("backward_latency_ms", own.backward_ms)
    return columns


def _latency_fields(latency: Latency, *, training: bool) -> dict[str, Any]:
    return {
        "latency_ms": latency.total_ms,
        "latency_median_ms": latency.median_ms,
        "latency_spread_ms": latency.spread_ms,
        "rounds": latency.rounds,
        "uncontended_rounds": latency.uncontended,
        "forward_latency_ms": latency.forward_ms if training else None,
        "backward_latency_ms": latency.backward_ms if training else None,
        "compile_ms": latency.compile_ms,
        "load_average": latency.load,
        "unreliable_reason": latency.unreliable_reason,
    }
