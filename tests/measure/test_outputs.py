"""Outputs of every kind have a loss; what numpy writes into an output is noticed."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pytest_flopbudget import profile_model
from tests.measure.helpers import Fn

WRAPS: dict[str, Callable[[Tensor], Any]] = {
    "namespace": lambda result: SimpleNamespace(result=result),
    "user dict": lambda result: UserDict(result=result),
    "distribution": lambda result: torch.distributions.Normal(result, 1.0, validate_args=False),
    "nested": lambda result: [{"a": SimpleNamespace(b=(result,))}],
    "complex": lambda result: torch.complex(result, result),
    "conjugate": lambda result: torch.complex(result, result).conj(),
}


class Wrapping(nn.Module):
    def __init__(self, wrap: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 4, bias=False)
        self.wrap = wrap

    def forward(self, rows: Tensor) -> Any:
        return self.wrap(self.layer(rows))


@pytest.mark.parametrize("wrap", WRAPS.values(), ids=WRAPS.keys())
def test_an_output_has_a_loss(wrap: Callable[[Tensor], Any]) -> None:
    """2 x 8 x 4 forward, and as much for the gradient of the weight."""
    assert profile_model(Wrapping(wrap), torch.zeros(1, 8), mode="training").flops == 128


def test_an_output_that_numpy_wrote_is_uncounted() -> None:
    def forward(rows: Tensor) -> Tensor:
        out = torch.empty(2, 4)
        out.numpy()[:] = 1
        return out

    profile = profile_model(Fn(forward), torch.zeros(1))
    assert [u.operator for u in profile.uncounted] == ["outside::array"]
