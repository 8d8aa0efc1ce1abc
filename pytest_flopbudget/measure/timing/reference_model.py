"""The reference model, whose latency depends on the machine only: what a self-test times."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import torch
from torch import nn

from pytest_flopbudget.measure.call import ModelCall
from pytest_flopbudget.measure.profiled_call import profiled_call
from pytest_flopbudget.measure.timing.clock import HostClock
from pytest_flopbudget.measure.timing.latency import Timing, time_call

if TYPE_CHECKING:
    from collections.abc import Sequence

BLOCKS = 12


def reference() -> tuple[nn.Module, torch.Tensor]:
    """Return a convolutional net of a few milliseconds, and its input."""
    layers = [nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    blocks = [layer for _ in range(BLOCKS) for layer in layers]
    return nn.Sequential(*blocks).eval(), torch.zeros(1, 16, 64, 64)


def main(arguments: Sequence[str]) -> None:
    """Time the model as an update does, and print what came out as JSON."""
    model, example = reference()
    timing = Timing(threads=int(arguments[1]), layers=False)
    with profiled_call(model, ModelCall((example,), {}, training=False)) as profiled:
        found = time_call(profiled, HostClock(), timing)
    result = {
        "latency_ms": found.total_ms,
        "rounds": found.rounds,
        "uncontended": found.uncontended,
        "unreliable_reason": found.unreliable_reason,
    }
    print(json.dumps(result))  # noqa: T201 - this is what the process is for
