"""Placement: a model lies on another device for a while, and is restored."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from pytest_flopbudget.measure.hardware.devices import CPU, META
from pytest_flopbudget.measure.isolation.model_state import SavedState
from pytest_flopbudget.measure.isolation.placement import placed_on
from tests.measure.helpers import mlp


def test_the_tensors_and_their_memory_are_restored() -> None:
    model = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8))
    tensors = [*model.parameters(), *model.buffers()]
    before = [(id(t), t.data_ptr(), t.clone()) for t in tensors]
    with placed_on(SavedState(model), META):
        assert all(t.is_meta for t in model.state_dict().values())
    after = [*model.parameters(), *model.buffers()]
    assert [(id(t), t.data_ptr()) for t in after] == [b[:2] for b in before]
    assert all(torch.equal(t, b[2]) for t, b in zip(tensors, before, strict=True))


def test_they_are_restored_after_an_exception() -> None:
    model = mlp()
    with pytest.raises(KeyboardInterrupt), placed_on(SavedState(model), META):
        raise KeyboardInterrupt
    assert {p.device for p in model.parameters()} == {CPU}


def test_tensors_that_lie_on_the_device_already_are_not_copied() -> None:
    model = mlp()
    pointers = [p.data_ptr() for p in model.parameters()]
    with placed_on(SavedState(model), CPU):
        assert [p.data_ptr() for p in model.parameters()] == pointers
