"""What a model draws, and what is installed, moves no count; torch's flags are put back."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pytest_flopbudget import profile_model
from tests.measure.helpers import Fn

if TYPE_CHECKING:
    from collections.abc import Callable

DRAWS = [random.random, np.random.rand, lambda: torch.rand(()).item()]


@pytest.mark.parametrize("draw", DRAWS, ids=["python", "numpy", "torch"])
def test_a_model_that_drops_layers_by_chance_costs_the_same_each_time(
    draw: Callable[[], float],
) -> None:
    layers = nn.ModuleList(nn.Linear(8, 8) for _ in range(20))

    def forward(rows: Tensor) -> Tensor:
        for layer in layers:
            if draw() < 0.5:
                rows = layer(rows)
        return rows

    model = Fn(forward)
    model.layers = layers
    found = set()
    for start in range(5):
        random.seed(start)
        np.random.seed(start)
        torch.manual_seed(start)
        before = random.getstate(), str(np.random.get_state()), torch.get_rng_state().tolist()
        found.add(profile_model(model, torch.zeros(1, 8)).flops)
        after = random.getstate(), str(np.random.get_state()), torch.get_rng_state().tolist()
        assert after == before
    [flops] = found
    assert flops is not None
    assert 0 < flops < 20 * 128
    assert flops % 128 == 0


@pytest.mark.parametrize("metric", ["latency", "memory"])
@pytest.mark.parametrize("draw", DRAWS, ids=["python", "numpy", "torch"])
def test_each_run_on_a_device_draws_the_same(draw: Callable[[], float], metric: str) -> None:
    drawn = []

    def forward(rows: Tensor) -> Tensor:
        drawn.append(draw())
        return rows * 2

    profile_model(Fn(forward), torch.zeros(2, 2), metrics=[metric])
    assert len(drawn) > 1
    assert len(set(drawn)) == 1


@pytest.mark.parametrize("installed", [True, False])
def test_an_einsum_goes_from_left_to_right(
    installed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """(30 x 20 x 100 + 30 x 100 x 2) x 2, where the best order costs 10,400."""
    pytest.importorskip("opt_einsum") if installed else None
    monkeypatch.setattr(torch.backends.opt_einsum, "enabled", installed)
    model = Fn(lambda a, b, c: torch.einsum("ij,jk,kl->il", a, b, c))
    inputs = torch.zeros(30, 20), torch.zeros(20, 100), torch.zeros(100, 2)
    assert profile_model(model, inputs).flops == 132_000
    assert torch.backends.opt_einsum.enabled is installed


def test_flags_that_forward_sets_are_put_back() -> None:
    engine = torch.backends.quantized.engine
    others = [name for name in torch.backends.quantized.supported_engines if name != engine]

    def forward(rows: Tensor) -> Tensor:
        torch.set_default_device("cpu")
        torch.set_autocast_cache_enabled(False)
        torch.backends.nnpack.set_flags(False)
        torch.backends.quantized.engine = others[0]
        return rows @ rows

    def flags() -> tuple[object, ...]:
        return (
            getattr(torch._GLOBAL_DEVICE_CONTEXT, "device_context", None),
            torch.is_autocast_cache_enabled(),
            torch._C._get_nnpack_enabled(),
            torch.backends.quantized.engine,
        )

    before = flags()
    profile_model(Fn(forward), torch.zeros(2, 2))
    assert flags() == before
