"""Records to the text of baseline files: the same record, the same bytes."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from pytest_flopbudget.baseline.record import COSTS, FORMAT, TIMES, stored_text
from pytest_flopbudget.baseline.yaml_scalars import scalar
from pytest_flopbudget.metrics import MEMORY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pytest_flopbudget.baseline.record import Baseline, LatencyEntry

MAX_SIMPLE_KEY = 1000
HEADER = """\
# Baseline of pytest-flopbudget: update it with `pytest --update-budgets`.
# A multiply-add is 2 FLOPs; element-wise operators, reductions, norms and pooling are 0."""


def text_of(baseline: Baseline) -> str:
    """Write a baseline as YAML: one line per layer, in the order of the record."""
    return "\n".join(_lines(baseline)) + "\n"


def _lines(baseline: Baseline) -> Iterator[str]:
    yield HEADER
    yield f"format: {FORMAT}"
    yield f"test: {scalar(baseline.test)}"
    yield f"model: {scalar(baseline.model)}"
    yield f"inputs: [{', '.join(scalar(text, flow=True) for text in baseline.inputs)}]"
    yield f"mode: {baseline.mode}"
    yield f"engine: {baseline.engine}"
    if baseline.counter:
        yield f"thop: {scalar(baseline.counter)}"
    if baseline.ignored:
        yield f"ignored: [{', '.join(scalar(text, flow=True) for text in baseline.ignored)}]"
    yield f"total: {{{', '.join(_costs(baseline.total))}}}"
    yield "own:   # layers that cost nothing are left out" if baseline.own else "own: {}"
    for path, own in baseline.own.items():
        inner = [f"type: {scalar(own.type, flow=True)}", *_costs(own.costs)]
        yield _layer(scalar(path), f"{{{', '.join(inner)}}}")
    if baseline.latency:
        yield "latency:"
        for environment, entry in baseline.latency.items():
            yield f"  {scalar(environment)}:"
            yield from _entry(entry)


def _layer(path: str, costs: str) -> str:
    """Write a layer on one line; YAML wants a mark before a key that is very long."""
    return f"  {path}: {costs}" if len(path) <= MAX_SIMPLE_KEY else f"  ? {path}\n  : {costs}"


def _costs(costs: Mapping[str, int]) -> Iterator[str]:
    for field, (stored, scale) in COSTS.items():
        if field in costs:
            yield f"{stored}: {stored_text(costs[field], scale)}"


def _entry(entry: LatencyEntry) -> Iterator[str]:
    yield f"    torch: {scalar(entry.torch)}"
    if entry.flops is not None:
        yield f"    gflops: {stored_text(entry.flops, 10**9)}"
    for key in TIMES:
        if key in entry.times:
            yield f"    {key}: {milliseconds(entry.times[key])}"
    if entry.memory_bytes is not None:
        yield f"    {MEMORY.stored}: {stored_text(entry.memory_bytes, MEMORY.scale)}"
    if entry.layers:
        yield "    layers:   # of 1 % and more"
        for path, time_ms in entry.layers.items():
            yield f"      {scalar(path)}: {milliseconds(time_ms)}"


def milliseconds(time_ms: float) -> str:
    """Write a time with four digits and no exponent."""
    rounded = Decimal(f"{time_ms:.3e}")
    return f"{rounded:.9f}".rstrip("0").rstrip(".")
