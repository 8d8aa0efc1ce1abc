"""What autograd must do for us: number its nodes, say which one runs, and what waits for it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pytest_flopbudget.measure.torch_internals.autograd import (
    is_gradient_accumulation,
    is_profiling,
    next_sequence_number,
    running_node,
    sequence_number,
    set_grad_enabled,
    write_count,
)


def leaf() -> Tensor:
    return torch.ones(2, requires_grad=True)


def test_gradients_are_set_by_a_plain_call() -> None:
    before = torch.is_grad_enabled()
    try:
        set_grad_enabled(not before)
        assert torch.is_grad_enabled() is not before
    finally:
        set_grad_enabled(before)
    assert torch.is_grad_enabled() is before


def test_the_next_node_gets_the_next_number() -> None:
    number = next_sequence_number()
    first = leaf() * 2
    second = first + 1
    assert sequence_number(first.grad_fn) == number
    assert sequence_number(second.grad_fn) == number + 1
    assert next_sequence_number() == number + 2


def test_what_needs_no_gradient_takes_no_number() -> None:
    number = next_sequence_number()
    with torch.no_grad():
        leaf() * 2
    assert next_sequence_number() == number


def test_the_node_that_runs_is_known_to_its_hooks_and_to_nobody_else() -> None:
    class Spy(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, rows: Tensor) -> Tensor:
            return rows.clone()

        @staticmethod
        def backward(ctx: Any, gradient: Tensor) -> Tensor:
            seen.append(running_node())
            return gradient

    seen: list[Any] = []
    output = Spy.apply(leaf())
    output.sum().backward()
    assert seen == [output.grad_fn]
    assert running_node() is None


def test_each_write_into_the_memory_of_a_tensor_counts() -> None:
    tensor = torch.ones(2)
    before = write_count(tensor)
    tensor + 1
    assert write_count(tensor) == before
    tensor[:1].add_(1)  # through a view
    assert write_count(tensor) == before + 1


def test_adding_a_gradient_to_a_leaf_is_told_from_the_work_of_layers() -> None:
    output = leaf() * 2
    ((below, _), _) = output.grad_fn.next_functions
    assert not is_gradient_accumulation(output.grad_fn)
    assert is_gradient_accumulation(below)


def test_a_profiler_of_torch_is_noticed_while_it_records() -> None:
    assert not is_profiling()
    with torch.autograd.profiler.profile():
        assert is_profiling()
    assert not is_profiling()
