"""What was measured for one model: frozen records without behaviour, and without torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any

from pytest_flopbudget import codec
from pytest_flopbudget.errors import nearest
from pytest_flopbudget.text import named

Shape = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be measured, and how."""

    metrics: tuple[str, ...] = ("params", "gflops")
    engine: str = "dispatch"
    mode: str = "inference"
    device: str | None = None  # where to run it for real; where the model is, if there is none
    threads: int = 1  # intra-op, while timing on the CPU
    time_limit: float = 10.0  # seconds


@dataclass(frozen=True, kw_only=True)
class Environment:
    """What latency and memory depend on."""

    device: str  # its type: cpu, cuda, mps, ...
    hardware: str  # the CPU or GPU model
    cores: int  # that the process may use
    threads: int  # intra-op
    dtype: str
    compiled: bool
    torch: str  # major.minor

    @property
    def key(self) -> str:
        """Name the environment as baseline files do; the torch version is no part of it."""
        parts = [
            self.device,
            self.hardware,
            f"{self.cores} core{'s' * (self.cores != 1)}",
            f"{self.threads} thread{'s' * (self.threads != 1)}",
            self.dtype,
        ]
        return ", ".join(parts + ["compiled"] * self.compiled)


@dataclass(frozen=True, kw_only=True)
class Purpose:
    """What a latency is for, which decides how long it is measured."""

    budget_ms: Callable[[Environment], Fraction | None] = lambda _: None  # the largest that passes
    stored: bool = False  # it may become a baseline, and must be good even if it passes
    progress: Callable[[str], None] = lambda _: None  # is told which phase begins


@dataclass(frozen=True, kw_only=True)
class Uncounted:
    """An operator that is neither counted by a formula nor free."""

    operator: str  # `namespace::name`, or `layer:Type` under the THOP engines
    path: str  # of the layer in which it ran first
    shapes: tuple[Shape, ...]  # of its tensor arguments there
    calls: int


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
    mode: str
    engine: str
    counter: str | None  # the distribution and version that counted, under the THOP engines
    inputs: tuple[str, ...]
    params: int
    trainable_params: int
    buffers: int
    flops: int | None = None
    forward_flops: int | None = None
    backward_flops: int | None = None
    latency_ms: float | None = None
    forward_latency_ms: float | None = None
    backward_latency_ms: float | None = None
    latency_median_ms: float | None = None
    latency_spread_ms: float | None = None  # between the quartiles
    rounds: int | None = None
    undisturbed_rounds: int | None = None  # that did not wait for a core
    compile_ms: float | None = None  # of the first call of a compiled model
    load_average: float | None = None  # processes that wanted a core in the minute before
    doubt: str = ""  # why a latency over its budget is not to be believed
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

    @cached_property
    def _by_path(self) -> dict[str, LayerProfile]:
        return {layer.path: layer for layer in self.layers}

    def __getitem__(self, path: str) -> LayerProfile:
        if path not in self._by_path:
            near = nearest(path, self._by_path)
            raise KeyError(f"no layer `{path}`" + (f"; {near}" if near else ""))
        return self._by_path[path]

    def __contains__(self, path: object) -> bool:
        return path in self._by_path

    def __str__(self) -> str:
        from pytest_flopbudget.report.layers import layer_table

        return "\n".join(layer_table(self))

    def to_dict(self) -> dict[str, Any]:
        """Return the profile as JSON-safe values, as it stands in the JSON report."""
        layers = [{**codec.encode(layer), "gflops": layer.gflops} for layer in self.layers]
        return {**codec.encode(self), "gflops": self.gflops, "layers": layers}


def shown_path(path: str) -> str:
    """Show a layer path; the root has an empty one."""
    return named(path) or "(model)"


def shape_text(shape: Shape) -> str:
    """Write a shape as `1x3x640x640`; that of a scalar is `()`."""
    return "x".join(map(str, shape)) or "()"


def is_below(path: str, ancestor: str) -> bool:
    """Tell whether `path` is `ancestor` or a layer inside of it."""
    return not ancestor or path == ancestor or path.startswith(f"{ancestor}.")
