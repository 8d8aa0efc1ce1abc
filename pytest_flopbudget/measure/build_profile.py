"""The profile of a model, built from what was counted and measured by layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_flopbudget.escaping import encodable
from pytest_flopbudget.measure.counting import thop_engine
from pytest_flopbudget.measure.hardware.environment import torch_minor
from pytest_flopbudget.measure.params import count_params, state_of, weight_bytes
from pytest_flopbudget.metrics import GFLOPS, OPERATORS, TRAFFIC, WEIGHTS, figures_of
from pytest_flopbudget.profile.model_profile import LayerProfile, ModelProfile, Uncounted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from torch import nn

    from pytest_flopbudget.measure.counting.flop_count import FlopCount
    from pytest_flopbudget.measure.device_run import DeviceRun
    from pytest_flopbudget.measure.layers import Layers
    from pytest_flopbudget.measure.profiled_call import ProfiledCall
    from pytest_flopbudget.measure.timing.latency import Latency
    from pytest_flopbudget.measure.timing.layer_times import OwnTimes
    from pytest_flopbudget.settings.measuring import MeasureSettings

    Columns = dict[str, Sequence[Any]]  # by the name of a field of `LayerProfile`: for each layer

COUNTED = (GFLOPS, TRAFFIC, OPERATORS, WEIGHTS)  # and of the model what they are of its root


def build_profile(
    profiled: ProfiledCall,
    settings: MeasureSettings,
    count: FlopCount | None,
    device_run: DeviceRun,
) -> ModelProfile:
    """Return the profile of a call."""
    layers, training, target = profiled.layers, profiled.call.training, profiled.call.target
    latency, memory = device_run.latency, device_run.memory
    columns = _param_columns(layers)
    if WEIGHTS.key in settings.metrics:
        own = weight_bytes(layers)
        columns |= {"own_weights_bytes": own, "weights_bytes": layers.totals(own)}
    if count is not None:
        columns |= _count_columns(count, layers, settings.metrics, training=training)
    if latency is not None and latency.own is not None:
        columns |= _latency_columns(latency.own, layers, training=training)
    if memory is not None and memory.layer_bytes:
        columns["memory_bytes"] = memory.layer_bytes
    profiles = tuple(_layer_profiles(layers, columns))
    root = profiles[0]
    totals: dict[str, Any] = {figure.field: figure.of(root) for figure in figures_of(COUNTED)}
    return ModelProfile(
        model=root.type if target is None else target.title(root.type),
        target="" if target is None else target.name,
        mode=settings.mode,
        engine=settings.engine,
        counter=None if settings.engine == "dispatch" else thop_engine.counter(),
        torch=torch_minor(),
        state=state_of(profiled),
        inputs=tuple(map(encodable, profiled.call.describe())),
        params=root.params,
        trainable_params=root.trainable_params,
        buffers=sum(buffer.numel() for buffer in profiled.module.buffers()),
        **totals,
        **({} if latency is None else _latency_fields(latency, training=training)),
        memory_bytes=None if memory is None else memory.total_bytes,
        layers=profiles,
        **({} if count is None else _count_fields(count, layers, settings.metrics)),
        environment=device_run.environment,
        not_measured={**_not_counted(settings), **device_run.not_measured},
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


def _count_columns(
    count: FlopCount, layers: Layers, metrics: Collection[str], *, training: bool
) -> Columns:
    columns: Columns = {
        "calls": count.module_calls.calls,
        "input_shapes": count.module_calls.inputs,
        "output_shapes": count.module_calls.outputs,
    }
    counts = {"flops": (count.forward, count.backward)}
    if count.traffic is not None and TRAFFIC.key in metrics:
        counts["traffic_bytes"] = count.traffic.forward_bytes, count.traffic.backward_bytes
    if count.traffic is not None and OPERATORS.key in metrics:
        counts["operators"] = count.traffic.forward_operators, count.traffic.backward_operators
    for field, (forward, backward) in counts.items():
        both = [f + b for f, b in zip(forward, backward, strict=True)]
        phases = {f"forward_{field}": forward, f"backward_{field}": backward} if training else {}
        for name, own in {field: both, **phases}.items():
            columns |= {f"own_{name}": own, name: layers.totals(own)}
    return columns


def _not_counted(settings: MeasureSettings) -> dict[str, str]:
    """Return why what was asked for was not counted, by metric: THOP sees no operators."""
    if settings.engine == "dispatch":
        return {}
    reason = f"the engine `{settings.engine}` counts layers, and sees no operator"
    return {key: reason for key in (TRAFFIC.key, OPERATORS.key) if key in settings.metrics}


def _count_fields(count: FlopCount, layers: Layers, metrics: Collection[str]) -> dict[str, Any]:
    return {
        "fused_traffic_bytes": _fused_bytes(count, metrics),
        "uncounted": tuple(
            Uncounted(
                operator=name,
                path=layers.paths[layer],
                shapes=ran.shapes,
                calls=ran.calls,
                unknown=ran.unknown,
            )
            for (name, layer), ran in count.uncounted.items()
        ),
        "unused": tuple(map(encodable, count.unused)),
        "counted_on": count.counted_on,
        "data_dependent": count.data_dependent,
    }


def _fused_bytes(count: FlopCount, metrics: Collection[str]) -> int | None:
    traffic = count.traffic
    if traffic is None or TRAFFIC.key not in metrics:
        return None
    return sum(traffic.forward_bytes) + sum(traffic.backward_bytes) - traffic.fusible_bytes


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
