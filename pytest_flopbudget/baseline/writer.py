"""Records to the text of baseline files; equal records give equal bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_flopbudget.baseline.record import FORMAT
from pytest_flopbudget.baseline.scaling import scaling_lines
from pytest_flopbudget.baseline.yaml_scalars import number_text, text_scalar
from pytest_flopbudget.metrics import GFLOPS, LATENCY, exact_metrics, figures_of, noisy_metrics

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_flopbudget.baseline.record import Baseline, EnvironmentEntry
    from pytest_flopbudget.metrics import Metric

MAX_SIMPLE_KEY = 1000
HEADER = """\
# Baseline of pytest-flopbudget: update it with `pytest --update-budgets`.
# A multiply-add is 2 FLOPs; element-wise operators, reductions, norms and pooling are 0."""

TORCH = "# the minor version that counted traffic and operators"


def text_of(baseline: Baseline) -> str:
    """Write a baseline as YAML: one line per layer, in the order of the record."""
    return "\n".join(_lines(baseline)) + "\n"


def _lines(baseline: Baseline) -> Iterator[str]:
    yield HEADER
    yield from _head(baseline)
    if baseline.scaling is not None:
        yield from scaling_lines(baseline.scaling)
        return
    yield f"total: {{{', '.join(_costs(baseline.total))}}}"
    yield "own:   # layers that cost nothing are left out" if baseline.own else "own: {}"
    for path, own in baseline.own.items():
        inner = [f"type: {text_scalar(own.type, flow=True)}", *_costs(own.costs)]
        yield _layer(text_scalar(path), f"{{{', '.join(inner)}}}")
    if baseline.environments:
        yield "latency:"
        for environment, entry in baseline.environments.items():
            yield f"  {text_scalar(environment)}:"
            yield from _entry(entry)


def _head(baseline: Baseline) -> Iterator[str]:
    yield f"format: {FORMAT}"
    yield f"test: {text_scalar(baseline.test)}"
    yield f"model: {text_scalar(baseline.model)}"
    if baseline.scaling is not None:
        yield f"of: {text_scalar(baseline.scaling.of)}"
        yield f"sizes: [{', '.join(map(str, baseline.scaling.sizes))}]"
    yield f"inputs: {_list(baseline.inputs)}"
    yield f"mode: {baseline.mode}"
    yield f"engine: {baseline.engine}"
    if baseline.counter:
        yield f"thop: {text_scalar(baseline.counter)}"
    if baseline.data_dependent:
        yield "data_dependent: true   # the values of tensors decided what ran or what it costs"
    if baseline.torch:
        yield f"torch: {text_scalar(baseline.torch)}   {TORCH}"
    if baseline.state:
        yield f"state: {_list(baseline.state)}"
    if baseline.ignored:
        yield f"ignored: {_list(baseline.ignored)}"


def _list(texts: Iterable[str]) -> str:
    return f"[{', '.join(text_scalar(text, flow=True) for text in texts)}]"


def _layer(path: str, costs: str) -> str:
    """Write a layer on one line; YAML wants a mark before a key that is very long."""
    return f"  {path}: {costs}" if len(path) <= MAX_SIMPLE_KEY else f"  ? {path}\n  : {costs}"


def _costs(costs: Mapping[str, int]) -> Iterator[str]:
    return _figures(costs, exact_metrics())


def _entry(entry: EnvironmentEntry) -> Iterator[str]:
    yield f"    torch: {text_scalar(entry.torch)}"
    if entry.python is not None:
        yield f"    python: {text_scalar(entry.python)}"
    if entry.flops is not None:
        yield f"    {GFLOPS.yaml_key}: {number_text(GFLOPS, entry.flops)}"
    yield from (f"    {line}" for line in _figures(entry.figures, noisy_metrics()))
    if entry.layers:
        yield "    layers:   # of 1 % and more"
        for path, time_ms in entry.layers.items():
            yield f"      {text_scalar(path)}: {number_text(LATENCY, time_ms)}"


def _figures(values: Mapping[str, int | float], metrics: Iterable[Metric]) -> Iterator[str]:
    """Yield key and value of each figure that there is, in the order of the table."""
    for figure in figures_of(metrics):
        if figure.field in values:
            yield f"{figure.yaml_key}: {number_text(figure, values[figure.field])}"
