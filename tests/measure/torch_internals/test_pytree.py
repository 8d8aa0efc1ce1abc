"""What nested containers must do for us: tell their leaves, and take others in their places."""

from __future__ import annotations

from collections import namedtuple

import torch

from pytest_flopbudget.measure.torch_internals.pytree import (
    tree_leaves,
    tree_map,
    tree_map_only,
)

Pair = namedtuple("Pair", "a b")


def test_the_leaves_of_nested_containers() -> None:
    assert tree_leaves([1, (2, {"three": 3}), Pair(4, None)]) == [1, 2, 3, 4, None]


def test_only_leaves_of_the_type_are_replaced_and_containers_are_new() -> None:
    given = {"rows": [torch.ones(2), 1], "pair": Pair(torch.ones(2), "b")}
    made = tree_map_only(torch.Tensor, lambda tensor: tensor.numel(), given)
    assert made == {"rows": [2, 1], "pair": Pair(2, "b")}
    assert made["rows"] is not given["rows"]


def test_a_function_of_every_leaf() -> None:
    assert tree_map(str, [1, (2, {"three": None})]) == ["1", ("2", {"three": "None"})]
