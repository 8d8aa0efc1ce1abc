"""The backward graph: which node runs, when it was made, and what waits for a gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch.autograd.graph import Node

# Sets whether gradients are on, by a plain call: the public way is a context manager.
set_grad_enabled = torch._C._set_grad_enabled


# Whether a profiler of torch records what runs.
is_profiling: Callable[[], bool] = torch._C._autograd._profiler_enabled


def next_sequence_number() -> int:
    """Return the number that the next node of this thread's backward graph gets."""
    number: int = torch._C._autograd._get_sequence_nr()
    return number


def sequence_number(node: Node) -> int:
    """Return the number of a node, given in the order in which forward made them."""
    number: int = node._sequence_nr()
    return number


def running_node() -> Node | None:
    """Return the node whose backward this thread runs, if it runs any."""
    node: Node | None = torch._C._current_autograd_node()
    return node


def copy_gradient_hooks(tensor: torch.Tensor, other: torch.Tensor) -> None:
    """Have the hooks that run once the gradient of a tensor is computed run for another one too."""
    if not other.requires_grad:
        return
    for hook in (tensor._backward_hooks or {}).values():
        other.register_hook(hook)
    if other.is_leaf:
        for hook in (getattr(tensor, "_post_accumulate_grad_hooks", None) or {}).values():
            other.register_post_accumulate_grad_hook(hook)


def gradient_hooks(tensor: torch.Tensor) -> tuple[dict[int, Any], dict[int, Any]]:
    """Return the hooks of a leaf that run for its gradient, before and after it is added."""
    after = getattr(tensor, "_post_accumulate_grad_hooks", None)
    return dict(tensor._backward_hooks or ()), dict(after or ())


def set_gradient_hooks(tensor: torch.Tensor, hooks: tuple[dict[int, Any], dict[int, Any]]) -> None:
    """Give a leaf back the hooks that it had."""
    after = getattr(tensor, "_post_accumulate_grad_hooks", None)
    for current, saved in zip((tensor._backward_hooks, after), hooks, strict=True):
        if current is not None and current != saved:
            current.clear()
            current.update(saved)


def write_count(tensor: torch.Tensor) -> int:
    """Return how often operators wrote into the memory of a tensor."""
    return tensor._version


def is_gradient_accumulation(node: Any) -> bool:
    """Return whether a node adds a gradient to a leaf, which no layer made."""
    return hasattr(node, "variable")
