"""One measurement in a process of its own; what it saw is printed as JSON.

`speed MODEL TOOL WEIGHTS REPEAT SECONDS`, `llama70b` or `linear LAYERS REPEAT SECONDS`.
"""
# ruff: noqa: T201 - its output is how it answers

from __future__ import annotations

import json
import resource
import sys
from dataclasses import asdict, dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any

import torch

from tests.benchmarks.counting.models import build, chain
from tests.benchmarks.counting.tools import OURS, TOOLS

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn


@dataclass
class Measured:
    """Seconds and bytes of one measurement; without an answer, why there is none."""

    cold_s: float = 0.0  # the import of the tool and its first call; torch is there already
    warm_s: list[float] = field(default_factory=list)
    bare_s: list[float] = field(default_factory=list)  # the forward on meta, in turn with warm
    table_s: float = 0.0
    peak_mb: float = 0.0  # of the process, when the first call has ended
    cannot: str = ""


def speed(name: str, tool: str, weights: str, repeat: str, seconds: str) -> Measured:
    """Count a model again and again, in turn with its bare forward on meta."""
    model, tensor = build(name, weights)
    bare, bare_tensor = build(name, "meta")
    measured = Measured()
    try:
        measured.cold_s = timed(lambda: TOOLS[tool](model, tensor))
    except Exception as error:  # noqa: BLE001 - whatever a tool raises is its answer
        return Measured(cannot=f"{type(error).__name__}: {error}".splitlines()[0])
    measured.peak_mb = peak_mb()
    alternate(measured, lambda: TOOLS[tool](model, tensor), bare, bare_tensor, repeat, seconds)
    return measured


def llama70b() -> Measured:
    """Count a model that no weights are made for."""
    model, tensor = build("Llama-70B", "meta")
    return Measured(cold_s=timed(lambda: TOOLS[OURS](model, tensor)), peak_mb=peak_mb())


def linear(layers: str, repeat: str, seconds: str) -> Measured:
    """Count a chain of layers, and draw its table."""
    model, tensor = chain(int(layers))
    measured = Measured(cold_s=timed(lambda: TOOLS[OURS](model, tensor)), peak_mb=peak_mb())
    alternate(measured, lambda: TOOLS[OURS](model, tensor), model, tensor, repeat, seconds)
    profile = TOOLS[OURS](model, tensor)
    measured.table_s = min(timed(lambda: str(profile)) for _ in range(3))
    return measured


def alternate(
    measured: Measured,
    count: Callable[[], object],
    bare: nn.Module,
    tensor: torch.Tensor,
    repeat: str,
    seconds: str,
) -> None:
    """Time counts in turn with bare forwards, at least one of each."""
    end = perf_counter() + float(seconds)
    with torch.no_grad():
        bare(tensor)
        for _ in range(int(repeat)):
            measured.bare_s.append(timed(lambda: bare(tensor)))
            measured.warm_s.append(timed(count))
            if perf_counter() > end:
                break


def timed(act: Callable[[], object]) -> float:
    """Return the seconds that something takes."""
    start = perf_counter()
    act()
    return perf_counter() - start


def peak_mb() -> float:
    """Return the most memory that this process has had so far; 1 MB is 10^6 bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


PARTS: dict[str, Callable[..., Measured]] = {
    part.__name__: part for part in (speed, llama70b, linear)
}


def main() -> None:
    torch.set_num_threads(1)  # as many as cores make a busy machine unpredictable
    part, *arguments = sys.argv[1:]
    answer: dict[str, Any] = asdict(PARTS[part](*arguments))
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
