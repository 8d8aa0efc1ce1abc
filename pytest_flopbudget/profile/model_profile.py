"""The profile of a model: what one call of it costs, in all and layer by layer, without torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pytest_flopbudget import serialization
from pytest_flopbudget.errors import with_nearest
from pytest_flopbudget.escaping import encodable
from pytest_flopbudget.profile.environment import Environment
from pytest_flopbudget.profile.layer_paths import shown_path
from pytest_flopbudget.profile.shapes import Shape

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, kw_only=True)
class Uncounted:
    """An operator that is neither counted by a formula nor free, or whose traffic is unknown."""

    operator: str  # `namespace::name`, or `layer:Type` under the THOP engines
    path: str  # of the layer in which it ran first
    shapes: tuple[Shape, ...]  # of its tensor arguments there
    calls: int
    unknown: tuple[str, ...] = ("FLOPs",)  # what is not known of it: FLOPs, traffic, operators


@dataclass(frozen=True, kw_only=True)
class LayerProfile:
    """One layer. A figure is its total unless the name says `own_`; `None` was not measured."""

    path: str
    type: str
    arguments: str
    params: int
    own_params: int
    trainable_params: int
    calls: int | None = None
    flops: int | None = None
    own_flops: int | None = None
    forward_flops: int | None = None
    own_forward_flops: int | None = None
    backward_flops: int | None = None
    own_backward_flops: int | None = None
    traffic_bytes: int | None = None
    own_traffic_bytes: int | None = None
    forward_traffic_bytes: int | None = None
    own_forward_traffic_bytes: int | None = None
    backward_traffic_bytes: int | None = None
    own_backward_traffic_bytes: int | None = None
    operators: int | None = None
    own_operators: int | None = None
    forward_operators: int | None = None
    own_forward_operators: int | None = None
    backward_operators: int | None = None
    own_backward_operators: int | None = None
    weights_bytes: int | None = None
    own_weights_bytes: int | None = None
    latency_ms: float | None = None
    own_latency_ms: float | None = None
    forward_latency_ms: float | None = None
    own_forward_latency_ms: float | None = None
    backward_latency_ms: float | None = None
    own_backward_latency_ms: float | None = None
    memory_bytes: int | None = None  # the peak of a call, beyond what was alive before it
    input_shapes: tuple[Shape, ...] = ()  # of the first call
    output_shapes: tuple[Shape, ...] = ()

    @property
    def gflops(self) -> float | None:
        """FLOPs of the layer and all below it, / 10^9."""
        return None if self.flops is None else self.flops / 1e9

    @property
    def macs(self) -> int | Fraction | None:
        """Multiply-accumulates as other tools count them: FLOPs / 2."""
        return _macs(self.flops)

    @property
    def name(self) -> str:
        """The layer path as it is shown."""
        return shown_path(self.path)


@dataclass(frozen=True, kw_only=True)
class ModelProfile:
    """What one call of a model costs, in all and layer by layer.

    Layers are in the order of `named_modules()`; `profile["encoder.0"]` is one of them.
    `print(profile)` draws the per-layer table.
    """

    model: str
    target: str = ""  # the method or function that was called, if not the model itself
    mode: str
    engine: str
    counter: str | None  # the distribution and version that counted, under the THOP engines
    inputs: tuple[str, ...]
    torch: str = ""  # major.minor
    state: tuple[str, ...] = ()  # dtypes of parameters and buffers, autocast, compiled
    params: int
    trainable_params: int
    buffers: int
    flops: int | None = None
    forward_flops: int | None = None
    backward_flops: int | None = None
    traffic_bytes: int | None = None
    forward_traffic_bytes: int | None = None
    backward_traffic_bytes: int | None = None
    fused_traffic_bytes: int | None = None  # an estimate, of a compiler that fuses all it can
    operators: int | None = None
    forward_operators: int | None = None
    backward_operators: int | None = None
    weights_bytes: int | None = None
    latency_ms: float | None = None
    forward_latency_ms: float | None = None
    backward_latency_ms: float | None = None
    latency_median_ms: float | None = None
    latency_spread_ms: float | None = None  # between the quartiles
    rounds: int | None = None
    uncontended_rounds: int | None = None  # that did not wait for a core
    compile_ms: float | None = None  # of the first call of a compiled model
    load_average: float | None = None  # processes that wanted a core in the minute before
    unreliable_reason: str = ""  # why a latency over its budget is not to be believed
    memory_bytes: int | None = None  # the peak of the call, beyond model and inputs
    layers: tuple[LayerProfile, ...] = ()
    uncounted: tuple[Uncounted, ...] = ()
    unused: tuple[str, ...] = ()  # parameters that no operator read
    counted_on: str | None = None  # meta, fake or real
    data_dependent: bool = False
    environment: Environment | None = None
    not_measured: dict[str, str] = field(default_factory=dict)  # metric: the reason

    @property
    def gflops(self) -> float | None:
        """FLOPs of one call / 10^9; a float for convenience, `flops` is the exact count."""
        return None if self.flops is None else self.flops / 1e9

    @property
    def macs(self) -> int | Fraction | None:
        """Multiply-accumulates as other tools count them: FLOPs / 2."""
        return _macs(self.flops)

    @cached_property
    def _by_path(self) -> dict[str, LayerProfile]:
        return {layer.path: layer for layer in self.layers}

    def __getitem__(self, path: str) -> LayerProfile:
        path = encodable(path)
        if path not in self._by_path:
            raise KeyError(with_nearest(f"no layer `{path}`", path, self._by_path))
        return self._by_path[path]

    def __iter__(self) -> Iterator[LayerProfile]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    def __contains__(self, path: object) -> bool:
        return isinstance(path, str) and encodable(path) in self._by_path

    def __str__(self) -> str:
        from pytest_flopbudget.profile.layer_table import layer_table

        return "\n".join(layer_table(self))

    def to_dict(self) -> dict[str, Any]:
        """Return the profile as JSON-safe values, as the JSON report has it."""
        layers = [{**serialization.encode(layer), "gflops": layer.gflops} for layer in self.layers]
        return {**serialization.encode(self), "gflops": self.gflops, "layers": layers}


def _macs(flops: int | None) -> int | Fraction | None:
    if flops is None:
        return None
    return Fraction(flops, 2) if flops % 2 else flops // 2
