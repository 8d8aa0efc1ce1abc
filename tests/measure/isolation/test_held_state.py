"""Generators, arrays and bytes that a model holds are as before, and give the same each time."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pytest_flopbudget import profile_model
from pytest_flopbudget.measure.isolation.held_state import restorer_of

pytestmark = pytest.mark.usefixtures("brief_timing")

DRAWS: dict[str, tuple[Any, Callable[[Any], float]]] = {
    "python": (random.Random(1), lambda generator: generator.random()),  # noqa: S311
    "numpy": (np.random.default_rng(1), lambda generator: generator.random()),
    "old numpy": (np.random.RandomState(1), lambda generator: generator.rand()),
    "torch": (
        torch.Generator().manual_seed(1),
        lambda generator: torch.rand((), generator=generator).item(),
    ),
}


@pytest.mark.parametrize(("generator", "draw"), DRAWS.values(), ids=DRAWS.keys())
def test_generators(generator: Any, draw: Callable[[Any], float]) -> None:
    class Dropping(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList(nn.Linear(8, 8) for _ in range(20))
            self.generator = generator

        def forward(self, rows: Tensor) -> Tensor:
            for layer in self.layers:
                if draw(self.generator) < 0.5:
                    rows = layer(rows)
            return rows

    model, rows = Dropping(), torch.zeros(1, 8)
    first = profile_model(model, rows, metrics=("gflops", "latency")).flops
    assert {profile_model(model, rows).flops for _ in range(3)} == {first}


@pytest.mark.parametrize("kind", [bytearray, lambda values: np.array(values, dtype=np.uint8)])
def test_what_forward_writes_into(kind: Callable[[list[int]], Any]) -> None:
    class Writing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.seen = kind([1, 2, 3])

        def forward(self, rows: Tensor) -> Tensor:
            self.seen[0] += 1
            return rows @ rows

    model = Writing()
    held = model.seen
    profile_model(model, torch.zeros(2, 2), metrics=("gflops", "latency"))
    assert model.seen is held
    assert list(held) == [1, 2, 3]


def test_an_array_in_the_memory_of_a_parameter() -> None:
    class Writing(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(2, 2)
            self.array = self.layer.weight.detach().numpy()

        def forward(self, rows: Tensor) -> Tensor:
            self.array[:] += 1
            return self.layer(rows)

    model = Writing()
    weight = model.layer.weight.detach().clone()
    profile_model(model, torch.zeros(2, 2), metrics=("gflops", "latency"))
    assert torch.equal(model.layer.weight, weight)


def test_what_cannot_be_written_has_no_state() -> None:
    array = np.arange(3)
    array.flags.writeable = False
    assert [restorer_of(value) for value in (array, random.SystemRandom(), object())] == [None] * 3
