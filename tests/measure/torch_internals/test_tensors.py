"""What tensors must do for us: refuse addresses, show what is inside, and keep an identity."""

from __future__ import annotations

import pytest
import torch

from pytest_flopbudget.measure.torch_internals.tensors import (
    coo_tensors,
    forbid_data_pointer,
    storage_address,
)


def test_a_tensor_without_values_may_refuse_to_tell_an_address() -> None:
    tensor = torch.ones(2, device="meta")
    assert tensor.data_ptr() == 0
    forbid_data_pointer(tensor)
    with pytest.raises(RuntimeError, match="data"):
        tensor.data_ptr()


def test_the_tensors_inside_of_a_sparse_one_that_is_not_coalesced() -> None:
    tensor = torch.sparse_coo_tensor([[1, 1]], [2.0, 3.0], (4,), check_invariants=True)
    assert not tensor.is_coalesced()
    indices, values = coo_tensors(tensor)
    assert (indices.tolist(), values.tolist()) == ([[1, 1]], [2.0, 3.0])


def test_a_storage_keeps_its_address_when_its_memory_is_resized() -> None:
    tensor = torch.empty(1)
    before = storage_address(tensor.untyped_storage())
    tensor.resize_(1_000_000)
    assert storage_address(tensor.untyped_storage()) == before
    assert storage_address(torch.empty(1).untyped_storage()) != before


def test_views_lie_in_one_storage() -> None:
    tensor = torch.ones(4)
    addresses = {
        storage_address(t.untyped_storage()) for t in (tensor, tensor[1:], tensor.view(2, 2))
    }
    assert len(addresses) == 1
