"""Models that differentiate in forward, as those of energies and forces, run in inference mode."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from torch import Tensor, nn

from pytest_flopbudget import profile_model
from pytest_flopbudget.errors import MeasureError

pytestmark = pytest.mark.usefixtures("brief_timing")


class Forces(nn.Module):
    def __init__(self, *, by_backward: bool) -> None:
        super().__init__()
        self.energy = nn.Linear(3, 5, bias=False)
        self.by_backward = by_backward

    def forward(self, positions: Tensor) -> Tensor:
        positions = positions.detach().requires_grad_()
        energy = self.energy(positions).square().sum()
        if self.by_backward:
            energy.backward(inputs=[positions])
            assert positions.grad is not None
            return positions.grad
        [forces] = torch.autograd.grad(energy, positions, create_graph=self.training)
        return forces


@pytest.mark.parametrize("by_backward", [False, True])
@pytest.mark.parametrize("metrics", [("gflops",), ("gflops", "latency", "memory")], ids=len)
def test_energies_and_forces(metrics: tuple[str, ...], *, by_backward: bool) -> None:
    """2 x 7 x 3 x 5 for the energy, and as much for its gradient."""
    model, positions = Forces(by_backward=by_backward), torch.ones(7, 3)
    profile = profile_model(model, positions, metrics=metrics)
    assert profile.flops == 2 * 210
    assert ("latency" in metrics) == (profile.latency_ms is not None)
    assert positions.requires_grad is False
    assert model.energy.weight.grad is None


@pytest.mark.parametrize("mode", ["inference", "training"])
def test_what_has_no_gradient_at_all_says_so(mode: Literal["inference", "training"]) -> None:
    class Constant(nn.Module):
        def forward(self, rows: Tensor) -> Tensor:
            return torch.autograd.grad(rows.detach().sum(), rows.detach())[0]

    with pytest.raises(RuntimeError, match="does not require grad"):
        profile_model(Constant(), torch.ones(2), mode=mode)


def test_training_in_inference_mode_says_where_to_call_it() -> None:
    model, rows = nn.Linear(4, 4), torch.ones(1, 4)
    with torch.inference_mode(), pytest.raises(MeasureError, match="outside of"):
        profile_model(model, rows, mode="training")
    with torch.no_grad():
        assert profile_model(model, rows, mode="training").flops == 64
