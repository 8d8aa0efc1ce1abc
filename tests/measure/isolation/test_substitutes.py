"""Substitutes of tensors: what else than values a parameter has, its substitute has as well."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pytest_flopbudget import profile_model
from pytest_flopbudget.measure.isolation.tensor_substitutes import TensorSubstitutes
from tests.measure.helpers import Fn, x


def on_meta(tensor: Tensor) -> Tensor:
    return TensorSubstitutes().of(tensor, lambda: tensor.detach().to("meta"))


def test_a_forward_that_reads_an_attribute_of_a_parameter_runs_on_meta() -> None:
    """As quantised weights have a scale, and sharded ones their dimension."""

    def forward(self: Any, rows: Tensor) -> Tensor:
        return self.layer(rows) * self.layer.weight.scale

    layer = nn.Linear(8, 8)
    layer.weight.scale = 0.5
    profile = profile_model(Fn(forward, layer=layer), x(4, 8))
    assert (profile.flops, profile.counted_on) == (2 * 4 * 8 * 8, "meta")
    assert layer.weight.scale == 0.5


@pytest.mark.parametrize("requires_grad", [True, False])
def test_the_substitute_of_a_parameter_is_a_parameter(*, requires_grad: bool) -> None:
    substitute = on_meta(nn.Parameter(torch.ones(2), requires_grad=requires_grad))
    assert isinstance(substitute, nn.Parameter)
    assert (substitute.is_meta, substitute.requires_grad) == (True, requires_grad)


def test_a_tensor_has_one_substitute() -> None:
    substitutes, tensor = TensorSubstitutes(), torch.ones(2)
    first, second = (substitutes.of(tensor, lambda: torch.empty(2)) for _ in range(2))
    assert first is second
