"""From what was counted and timed, by layer, to the frozen profile."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_flopbudget.measure.memory.peak import Memory
from pytest_flopbudget.measure.quantized_params import packed_scalars
from pytest_flopbudget.measure.timing.latency import Latency
from pytest_flopbudget.measure.torch_internals.modules import own_parameters
from pytest_flopbudget.profile.environment import Environment
from pytest_flopbudget.profile.model_profile import LayerProfile, ModelProfile, Uncounted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import nn

    from pytest_flopbudget.measure.call import ModelCall
    from pytest_flopbudget.measure.counting.flop_count import FlopCount
    from pytest_flopbudget.measure.layers import Layers
    from pytest_flopbudget.measure.timing.layer_times import OwnTimes
    from pytest_flopbudget.settings.measuring import MeasureSettings


@dataclass
class DeviceRun:
    """What was measured by running a model for real and where, or the reasons why it was not."""

    latency: Latency | None = None
    memory: Memory | None = None
    environment: Environment | None = None
    reasons: dict[str, str] = field(default_factory=dict)  # by metric


def build_profile(
    model: nn.Module,
    layers: Layers,
    call: ModelCall,
    measure_settings: MeasureSettings,
    count: FlopCount | None,
    timed: DeviceRun,
) -> ModelProfile:
    """Build the profile of a model."""
    latency, memory = timed.latency, timed.memory
    own = None if latency is None else latency.own
    columns = {
        **_params(layers),
        **({} if count is None else _count_columns(count, layers, training=call.training)),
        **({} if own is None else _latency_columns(own, layers, training=call.training)),
        **({} if memory is None else _memory_columns(memory)),
    }
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    profiles = tuple(
        LayerProfile(path=path, type=type(module).__name__, arguments=_arguments(module), **row)
        for path, module, row in zip(layers.paths, layers.modules, rows, strict=True)
    )
    root = profiles[0]
    return ModelProfile(
        model=root.type,
        mode=measure_settings.mode,
        engine=measure_settings.engine,
        counter=_counter(measure_settings.engine),
        inputs=call.describe(),
        params=root.params,
        trainable_params=root.trainable_params,
        buffers=sum(buffer.numel() for buffer in model.buffers()),
        flops=root.flops,
        forward_flops=root.forward_flops,
        backward_flops=root.backward_flops,
        **({} if latency is None else _latency_fields(latency, training=call.training)),
        memory_bytes=None if memory is None else memory.total_bytes,
        layers=profiles,
        **({} if count is None else _count_fields(count, layers)),
        environment=timed.environment,
        not_measured={
            key: why for key, why in timed.reasons.items() if key in measure_settings.metrics
        },
    )


def _params(layers: Layers) -> dict[str, Sequence[Any]]:
    """Count scalars in parameters, each tensor at the first layer that holds it."""
    seen: set[int] = set()
    own, trainable = [], []
    for module in layers.modules:
        new = [p for p in own_parameters(module) if id(p) not in seen]
        new = list({id(p): p for p in new}.values())
        seen.update(map(id, new))
        own.append(sum(p.numel() for p in new) + packed_scalars(module))
        trainable.append(sum(p.numel() for p in new if p.requires_grad))
    return {
        "own_params": own,
        "params": layers.totals(own),
        "trainable_params": layers.totals(trainable),
    }


def _count_columns(count: FlopCount, layers: Layers, *, training: bool) -> dict[str, Sequence[Any]]:
    own = [f + b for f, b in zip(count.forward, count.backward, strict=True)]
    columns: dict[str, Sequence[Any]] = {
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
        "uncounted": tuple(_uncounted(count, layers)),
        "unused": tuple(count.unused),
        "counted_on": count.counted_on,
        "data_dependent": count.data_dependent,
    }


def _uncounted(count: FlopCount, layers: Layers) -> Iterator[Uncounted]:
    for (operator, layer), ran in count.uncounted.items():
        yield Uncounted(
            operator=operator, path=layers.paths[layer], shapes=ran.shapes, calls=ran.calls
        )


def _latency_columns(own: OwnTimes, layers: Layers, *, training: bool) -> dict[str, Sequence[Any]]:
    """Lay the own times of layers out, and their totals; what was not called has no time."""
    called = [int(layer in own.called) for layer in range(len(layers))]
    known = layers.totals(called)  # a container is not called, but what it holds

    def pair(name: str, times_ms: list[float]) -> dict[str, Sequence[Any]]:
        own_ms = [time if was else None for time, was in zip(times_ms, called, strict=True)]
        totals = zip(layers.totals(times_ms), known, strict=True)
        return {f"own_{name}": own_ms, name: [time if was else None for time, was in totals]}

    both = [f + b for f, b in zip(own.forward_ms, own.backward_ms, strict=True)]
    columns = pair("latency_ms", both)
    if training:
        columns |= pair("forward_latency_ms", own.forward_ms)
        columns |= pair("backward_latency_ms", own.backward_ms)
    return columns


def _memory_columns(memory: Memory) -> dict[str, Sequence[Any]]:
    return {"memory_bytes": memory.layer_bytes} if memory.layer_bytes else {}


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


def _arguments(module: nn.Module) -> str:
    """Return the module's own description of itself, on one line."""
    return " ".join(module.extra_repr().split())


def _counter(engine: str) -> str | None:
    if engine == "dispatch":
        return None
    from pytest_flopbudget.measure.counting.thop_engine import counter

    return counter()
