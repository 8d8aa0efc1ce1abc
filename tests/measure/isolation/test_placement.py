"""Placement: a model lies on another device for a while, and is restored."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from pytest_flopbudget import profile_model
from pytest_flopbudget.measure.hardware.devices import CPU, META
from pytest_flopbudget.measure.isolation.model_state import SavedState
from pytest_flopbudget.measure.isolation.placement import TensorCopies, placed_on
from tests.measure.helpers import mlp, x


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


# --- copies ---


def test_a_copy_has_the_values_and_memory_of_its_own() -> None:
    tensor = torch.arange(6.0).view(2, 3).T
    copy = TensorCopies([tensor]).of(tensor)
    assert torch.equal(copy, tensor)
    assert copy.stride() == tensor.stride()
    copy += 1
    assert tensor[0, 0] == 0


def test_views_of_one_memory_have_copies_that_are_views_of_one_memory() -> None:
    whole = torch.arange(12.0)
    views = [whole, whole[3:9].view(2, 3).T, whole.view(torch.int32)]
    copies = TensorCopies(views)
    first, second, third = map(copies.of, views)
    assert torch.equal(second, views[1])
    first.zero_()
    assert (second.count_nonzero(), third.count_nonzero()) == (0, 0)
    assert whole.count_nonzero() == 11


def test_one_view_alone_is_copied_without_the_rest_of_its_memory() -> None:
    view = torch.zeros(1000)[:2]
    assert TensorCopies([view, view]).of(view).untyped_storage().nbytes() == 2 * 4


@pytest.mark.parametrize("requires_grad", [True, False])
def test_a_copy_is_a_leaf(*, requires_grad: bool) -> None:
    tensor = x(2, requires_grad=True) * 2 if requires_grad else x(2)
    copy = TensorCopies([tensor]).of(tensor)
    assert (copy.is_leaf, copy.requires_grad) == (True, requires_grad)


def test_a_lazily_conjugated_tensor_is_copied_with_its_values() -> None:
    tensor = torch.tensor([1 + 2j])
    copies = TensorCopies([tensor, tensor.conj()])
    assert torch.equal(copies.of(tensor.conj()), torch.tensor([1 - 2j]))


# --- a model on another device: torch takes `cpu:0` for another one than `cpu` ---


class Writes(nn.Module):
    """Writes into a buffer and reads values by numpy, as only a model on memory of its own can."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(8)
        self.register_buffer("seen", x(8))
        self.seen: Tensor

    def forward(self, rows: Tensor) -> Tensor:
        self.seen += rows.detach().sum(0)
        self.seen.numpy()
        return self.norm(rows)


@pytest.mark.usefixtures("brief_timing")
@pytest.mark.parametrize("mode", ["inference", "training"])
def test_a_model_writes_into_tensors_that_were_moved(mode: str) -> None:
    model = Writes()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    metrics = ("params", "gflops", "latency", "memory")
    profile = profile_model(model, torch.ones(4, 8), mode=mode, metrics=metrics, device="cpu:0")
    assert profile.latency_ms is not None
    assert profile.not_measured == {}
    model.seen += 1  # the memory of the model is as it was: it may be written
    before["seen"] += 1
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
