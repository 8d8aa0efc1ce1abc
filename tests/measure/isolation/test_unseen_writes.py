"""Weights and buffers that change where no operator is seen are as before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import pytest
import torch
from torch import Tensor, nn

from pytest_flopbudget import profile_model
from tests.measure.helpers import Fn

pytestmark = pytest.mark.usefixtures("brief_timing")

METRICS = ("params", "gflops", "latency", "memory")
Mode = Literal["inference", "training"]


class Merging(nn.Linear):
    """Merges a low-rank update into its weight in `eval()`, as LoRA layers do."""

    merged = False

    def train(self, mode: bool = True) -> Merging:
        super().train(mode)
        if mode == self.merged:
            self.weight.data += -1 if mode else 1
            self.merged = not mode
        return self


@pytest.mark.parametrize("mode", ["inference", "training"])
@pytest.mark.parametrize("reads_values", [False, True])
def test_a_layer_that_merges_in_eval(mode: Mode, reads_values: bool) -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = Merging(4, 4)

        def forward(self, rows: Tensor) -> Tensor:
            if reads_values and rows.sum().item() > 1:
                return rows
            return self.layer(rows)

    model = Model()
    weight = model.layer.weight.detach().clone()
    profile_model(model, torch.zeros(1, 4), metrics=METRICS, mode=mode)
    assert torch.equal(model.layer.weight, weight)
    assert model.layer.merged is False


def test_an_optimizer_that_a_hook_of_a_module_steps() -> None:
    linear = nn.Linear(4, 4)
    optimizer = torch.optim.SGD(linear.parameters(), lr=1.0)
    linear.register_full_backward_hook(lambda *_: optimizer.step())
    weight = linear.weight.detach().clone()
    rows = torch.ones(1, 4, requires_grad=True)
    profile_model(linear, rows, metrics=METRICS, mode="training")
    assert torch.equal(linear.weight, weight)


RESIZES: list[Callable[[Tensor], Any]] = [
    lambda buffer: buffer.resize_(50).fill_(1),
    lambda buffer: buffer.resize_(1).fill_(1),
    lambda buffer: buffer.set_(torch.ones(3)),  # type: ignore[call-overload]
]


@pytest.mark.parametrize("resize", RESIZES, ids=["larger", "smaller", "other memory"])
def test_a_buffer_that_forward_resizes(resize: Callable[[Tensor], Any]) -> None:
    def forward(rows: Tensor) -> Tensor:
        resize(model.state)
        return rows @ rows

    model = Fn(forward)
    model.register_buffer("state", torch.tensor([2.0, 3.0]))
    profile_model(model, torch.zeros(2, 2), metrics=METRICS)
    assert model.state.tolist() == [2.0, 3.0]


def test_attributes_of_an_input_are_those_of_its_substitute() -> None:
    rows = torch.zeros(1, 4)
    rows.scale = 2.0  # type: ignore[attr-defined]
    model = Fn(lambda rows: (rows @ rows.T) * rows.scale)
    assert profile_model(model, rows, metrics=METRICS).flops == 8
    assert vars(rows) == {"scale": 2.0}
