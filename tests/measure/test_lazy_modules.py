"""Lazy models: measured as they are after a first call, and lazy again afterwards."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.nn.utils import weight_norm

from pytest_flopbudget import profile_model
from tests.measure.helpers import Fn, x

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [
    pytest.mark.usefixtures("brief_timing"),
    pytest.mark.filterwarnings("ignore:Lazy modules:UserWarning"),
]

ONCE = 2 * 4 * 8 * 16
METRICS = ("params", "gflops", "latency", "memory")


class Batch:
    """A holder of tensors that pytree does not know."""

    def __init__(self, rows: Tensor) -> None:
        self.rows = rows


@pytest.mark.parametrize("mode", ["inference", "training"])
@pytest.mark.parametrize("metrics", [("params", "gflops"), ("params", "gflops", "latency")])
def test_a_lazy_model_is_measured_as_it_is_after_its_first_call(
    mode: str, metrics: tuple[str, ...]
) -> None:
    model = nn.Sequential(nn.LazyLinear(16), nn.LazyBatchNorm1d(), nn.Dropout())
    state = torch.get_rng_state()
    profile = profile_model(model, x(4, 8), mode=mode, metrics=metrics)
    assert (profile.params, profile.forward_flops or profile.flops) == (8 * 16 + 16 + 2 * 16, ONCE)
    assert [layer.type for layer in profile.layers[1:]] == ["Linear", "BatchNorm1d", "Dropout"]
    assert all(map(is_lazy, [*model.parameters(), model[1].running_mean]))
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training


def test_the_first_call_of_a_lazy_model_leaves_an_object_among_the_inputs_alone() -> None:
    def forward(self: Fn, batch: Batch) -> Tensor:
        batch.rows = self.layer(batch.rows)
        return batch.rows

    batch = Batch(rows := x(4, 8))
    assert profile_model(Fn(forward, layer=nn.LazyLinear(16)), (batch,)).flops == ONCE
    assert batch.rows is rows


def test_a_lazy_model_that_ran() -> None:
    model = nn.LazyLinear(16)
    model(x(4, 8))
    assert profile_model(model, x(4, 8)).flops == ONCE


class Beside(nn.Module):
    """A lazy layer beside something that cannot be copied."""

    def __init__(self, other: Any) -> None:
        super().__init__()
        self.layer, self.other = nn.LazyLinear(16), other

    def forward(self, rows: Tensor) -> Any:
        return self.layer(rows)


OTHERS: dict[str, Callable[[], Any]] = {
    "a lock": threading.Lock,
    "a database": lambda: sqlite3.connect(":memory:"),
    "a file": Path(__file__).open,
    "a generator": lambda: (i for i in range(3)),
    "the old weight norm": lambda: weight_norm(nn.Linear(2, 2)),
}


@pytest.mark.parametrize("mode", ["inference", "training"])
@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
def test_a_lazy_layer_beside_what_cannot_be_copied(other: Callable[[], Any], mode: str) -> None:
    model = Beside(other())
    profile = profile_model(model, x(4, 8), mode=mode, metrics=METRICS)
    assert (profile["layer"].params, profile.forward_flops or profile.flops) == (8 * 16 + 16, ONCE)
    assert profile["layer"].type == "Linear"
    assert type(model.layer) is nn.LazyLinear
    assert is_lazy(model.layer.weight)
    assert model(x(2, 3)).shape == (2, 16)  # it takes what its real first call is given
    if hasattr(model.other, "close"):
        model.other.close()


class Auxiliary(nn.Module):
    """A lazy layer that runs in training alone."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.auxiliary = nn.LazyLinear(16), nn.LazyLinear(3, bias=False)

    def forward(self, rows: Tensor) -> Any:
        return [self.layer(rows), *([self.auxiliary(rows)] if self.training else [])]


def test_a_lazy_layer_that_does_not_run_in_this_mode() -> None:
    model = Auxiliary()
    profile = profile_model(model, x(4, 8), metrics=METRICS)
    assert (profile.flops, profile["auxiliary"].params, profile["auxiliary"].calls) == (ONCE, 0, 0)
    profile = profile_model(model, x(4, 8), mode="training", metrics=METRICS)
    assert profile.forward_flops == ONCE + 2 * 4 * 8 * 3
    assert profile["auxiliary"].params == 8 * 3
    assert all(map(is_lazy, model.parameters()))


def test_a_lazy_layer_beside_one_that_forward_makes() -> None:
    def forward(self: Fn, rows: Tensor) -> Tensor:
        if not hasattr(self, "made"):
            self.made = nn.Linear(16, 2)
        return self.made(self.layer(rows))

    model = Fn(forward, layer=nn.LazyLinear(16))
    assert profile_model(model, x(4, 8)).flops == ONCE + 2 * 4 * 16 * 2
    assert not hasattr(model, "made")
    assert is_lazy(model.layer.weight)


def test_lazy_weights_that_two_layers_share_are_one() -> None:
    def forward(self: Fn, rows: Tensor) -> Tensor:
        return self.first(rows) + self.second(rows)

    model = Fn(forward, first=nn.LazyLinear(16, bias=False), second=nn.LazyLinear(16, bias=False))
    model.second.weight = model.first.weight
    profile = profile_model(model, x(4, 8))
    assert (profile.params, profile.flops) == (8 * 16, 2 * ONCE)
    assert model.second.weight is model.first.weight
    assert is_lazy(model.first.weight)


def test_what_the_first_call_changes_is_as_before() -> None:
    def forward(self: Fn, rows: Tensor) -> Tensor:
        self.calls += 1
        self.weight.data += 1
        return self.norm(self.layer(rows))

    layers = {"layer": nn.LazyLinear(16), "norm": nn.BatchNorm1d(16)}
    model = Fn(forward, weight=nn.Parameter(torch.zeros(3)), calls=0, **layers)
    for mode in ("inference", "training"):
        profile_model(model, x(4, 8), mode=mode, metrics=METRICS)
    assert (model.calls, model.weight.tolist()) == (0, [0, 0, 0])
    assert (model.norm.num_batches_tracked, model.norm.running_mean.sum()) == (0, 0)


def test_a_first_call_that_raises_leaves_a_lazy_model() -> None:
    def forward(self: Fn, rows: Tensor) -> Tensor:
        self.layer(rows)
        raise ValueError("of the model")

    model = Fn(forward, layer=nn.LazyLinear(16))
    with pytest.raises(ValueError, match="of the model"):
        profile_model(model, x(4, 8))
    assert type(model.layer) is nn.LazyLinear
    assert is_lazy(model.layer.weight)
