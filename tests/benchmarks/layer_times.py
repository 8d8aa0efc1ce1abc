"""How true the own times of layers are: `python -m tests.benchmarks.layer_times`.

The layers busy-wait for a known time, so the truth is known. The model is timed without anything on
it, and then its layers one by one; their sum is compared with the model, and each with its truth.
"""
# ruff: noqa: T201 - a script that prints what it saw

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from pytest_flopbudget import profile_model

if TYPE_CHECKING:
    from pytest_flopbudget.profile.model_profile import ModelProfile

OWN_LIMIT, SUM_LIMIT = 0.10, 0.05


class Waiting(nn.Module):
    """Keeps the core busy for some microseconds."""

    def __init__(self, microseconds: float) -> None:
        super().__init__()
        self.time_ns = round(1000 * microseconds)

    def forward(self, rows: Tensor) -> Tensor:
        end = time.perf_counter_ns() + self.time_ns
        while time.perf_counter_ns() < end:
            pass
        return rows


MODELS = {
    "50 of 20 us": [20.0] * 50,
    "10 of 5 ms": [5000.0] * 10,
    "1 of 1 ms among 149 of 20 us": [20.0] * 75 + [1000.0] + [20.0] * 74,
    "layer k takes k x 50 us": [50.0 * k for k in range(1, 31)],
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("--runs", type=int, default=3, help="profiles of each model (3)")
    asked = parser.parse_args()
    print("| model | layers | worst own time | sum against the model without any mark | |")
    print("|---|--:|--:|--:|---|")
    worst_of_all = True
    for name, times_us in MODELS.items():
        for _ in range(asked.runs):
            own, total = errors(times_us)
            good = abs(own) <= OWN_LIMIT and abs(total) <= SUM_LIMIT
            worst_of_all &= good
            cells = name, len(times_us), f"{own:+.1%}", f"{total:+.1%}", "" if good else "over"
            print(f"| {' | '.join(map(str, cells))} |", flush=True)
    return int(not worst_of_all)


def errors(times_us: list[float]) -> tuple[float, float]:
    """Return the largest relative error of an own time, and that of their sum."""
    model = nn.Sequential(*map(Waiting, times_us))
    profile: ModelProfile = profile_model(model, torch.zeros(1), metrics=("latency",))
    own_us = [1000 * (layer.own_latency_ms or 0) for layer in profile.layers]
    off = [own / true - 1 for own, true in zip(own_us[1:], times_us, strict=True)]
    return max(off, key=abs), sum(own_us) / 1000 / (profile.latency_ms or 0) - 1


if __name__ == "__main__":
    raise SystemExit(main())
