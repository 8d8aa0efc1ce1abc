"""What it costs to count traffic and operators as well: at most 1.15 times params and FLOPs alone.

    python -m tests.benchmarks.traffic_cost [--repeat N] [MODEL ...]

Both are counted in turns in one process, on one thread, and the least CPU time of each counts.
"""
# ruff: noqa: T201 - a script that prints what it saw

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

import torch

from pytest_flopbudget import profile_model
from tests.benchmarks.counting.models import build

if TYPE_CHECKING:
    from torch import nn

MODELS = ("ResNet-152", "ViT-H", "Llama-1B")
WITHOUT = ("params", "gflops")
WITH = (*WITHOUT, "traffic", "operators")
LIMIT = 1.15


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.traffic_cost")
    parser.add_argument("models", nargs="*", default=MODELS, metavar="MODEL")
    parser.add_argument("--repeat", type=int, default=20, metavar="N", help="turns (20)")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{'model':12} {'without':>9} {'with':>9} {'ratio':>6}   traffic")
    for name in asked.models:
        model, inputs = build(name, "meta")
        traffic = profile_model(model, inputs, metrics=WITH).traffic_bytes or 0
        turns = [
            (seconds(model, inputs, WITHOUT), seconds(model, inputs, WITH))
            for _ in range(asked.repeat)
        ]
        without, with_ = (min(column) for column in zip(*turns, strict=True))
        verdict = "" if with_ <= LIMIT * without else f"   above {LIMIT}"
        print(
            f"{name:12} {1000 * without:6.1f} ms {1000 * with_:6.1f} ms {with_ / without:6.2f}"
            f"   {traffic / 1e6:,.1f} MB{verdict}"
        )


def seconds(model: nn.Module, inputs: torch.Tensor, metrics: tuple[str, ...]) -> float:
    """Return the CPU time of one profile, which no other process disturbs."""
    start = time.process_time()
    profile_model(model, inputs, metrics=metrics)
    return time.process_time() - start


if __name__ == "__main__":
    main()
