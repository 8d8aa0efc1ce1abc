"""How deep a model is looked into: containers to a depth of 12, modules to any."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pytest_flopbudget.measure.isolation.model_state import SavedState
from pytest_flopbudget.measure.isolation.object_walk import ObjectWalk

INSIDE, OUTSIDE = 12, 13  # levels of containers: the last that is the model's, the first that isn't


class Holder:
    """An object with attributes: it and its `__dict__` are two levels."""

    def __init__(self, held: Any) -> None:
        self.held = held


def nested_in_lists(value: Any, lists: int) -> Any:
    for _ in range(lists):
        value = [value]
    return value


def model_with(held: Any) -> nn.Module:
    model = nn.Module()
    model.held = held
    return model


@pytest.mark.parametrize(("depth", "is_restored"), [(INSIDE, True), (OUTSIDE, False)])
def test_a_container_is_restored_to_a_depth_of_12(depth: int, *, is_restored: bool) -> None:
    innermost: list[Any] = []
    state = SavedState(model_with(nested_in_lists(innermost, depth - 1)))
    innermost.append(1)
    state.restore()
    assert (innermost == []) is is_restored


@pytest.mark.parametrize(("depth", "is_substituted"), [(INSIDE, True), (OUTSIDE, False)])
def test_a_tensor_is_substituted_in_a_container_to_a_depth_of_12(
    depth: int, *, is_substituted: bool
) -> None:
    innermost: list[Tensor] = [torch.ones(1)]
    SavedState(model_with(nested_in_lists(innermost, depth - 1))).substitute(lambda t: t.to("meta"))
    assert innermost[0].is_meta is is_substituted


@pytest.mark.parametrize(("depth", "is_found"), [(INSIDE, True), (OUTSIDE, False)])
def test_an_object_is_two_levels(depth: int, *, is_found: bool) -> None:
    """Here: lists, then an object at the depth before the last, whose attributes are the last."""
    holder = Holder(torch.ones(1))
    found = ObjectWalk(model_with(nested_in_lists(holder, depth - 2)))
    assert (list(found.tensors) == [holder.held]) is is_found


def test_a_linked_list_is_followed_no_further() -> None:
    """Of 10,000 objects, each with the next one in its `__dict__`, the first 6 are looked into."""
    chain: Any = None
    for _ in range(10_000):
        chain = Holder(chain)
    with_chain, without = (len(ObjectWalk(model_with(v)).containers) for v in (chain, None))
    assert with_chain - without == 6  # the `__dict__`s at the depths 2, 4, ... 12


def test_modules_are_followed_to_any_depth() -> None:
    """1,000 modules in each other, which are more than Python's limit of recursion allows."""
    innermost = model = nn.Linear(1, 1)
    for _ in range(1000):
        outer = nn.Module()
        outer.inner = model
        model = outer
    assert set(map(id, ObjectWalk(model).tensors)) == set(map(id, innermost.parameters()))


def test_the_tensors_are_in_the_order_in_which_the_model_holds_them() -> None:
    model = nn.Sequential(nn.Linear(1, 1), nn.BatchNorm1d(1))
    order = [*model[0].parameters(), *model[1].parameters(), *model[1].buffers()]
    assert list(map(id, ObjectWalk(model).tensors)) == list(map(id, order))
