"""Functions of torch that are one operator, whatever a backend makes of them.

Attention, RMS norm, dropout and recurrent layers run as one operator on one device and as many on
another. They are counted as one forward, and as one backward that reads what forward read and
wrote and the gradient of that, and writes the gradients that are asked for.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from pytest_flopbudget.measure.counting.traffic.layouts import in_the_order_of
from pytest_flopbudget.measure.counting.traffic.recurrent import RECURRENT
from pytest_flopbudget.measure.counting.traffic.single_traffic import SingleTraffic, whole
from pytest_flopbudget.measure.operators import OperatorMode
from pytest_flopbudget.measure.torch_internals.autograd import (
    next_sequence_number,
    running_node,
    sequence_number,
)
from pytest_flopbudget.measure.torch_internals.composites import (
    composites_replaced,
    run_composite,
)
from pytest_flopbudget.measure.torch_internals.dispatch import (
    dispatch_modes,
    functions_as_they_are,
)
from pytest_flopbudget.measure.torch_internals.pytree import tree_map_only

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager

    from pytest_flopbudget.measure.counting.module_tracker import ModuleTracker
    from pytest_flopbudget.measure.counting.traffic.layer_traffic import LayerTraffic
    from pytest_flopbudget.measure.operators import Operator
    from pytest_flopbudget.measure.torch_internals.dispatch import OpOverload

ATTENTION = torch.ops.aten.scaled_dot_product_attention.default
DROPOUT = (torch.ops.aten.dropout.default, torch.ops.aten.dropout_.default)
SINGLE: dict[OpOverload, Callable[..., SingleTraffic]] = {
    ATTENTION: whole,
    torch.ops.aten.rms_norm.default: whole,
    **dict.fromkeys(DROPOUT, whole),
    **RECURRENT,
}


@dataclass
class _Backward:
    """The backward of one call: the nodes of the graph that are its, and what they move."""

    end: int  # the number after that of its last node
    layer: int
    traffic: SingleTraffic
    last: int = -1  # the number of its node that ran last: they run from the last to the first


class SingleOperators:
    """Knows when what runs is a part of one of these functions, and adds the traffic of that."""

    def __init__(self, tracker: ModuleTracker, traffic: LayerTraffic) -> None:
        self._tracker = tracker
        self._traffic = traffic
        self._is_running = False
        self._starts: list[int] = []  # the numbers of the first nodes
        self._backwards: list[_Backward] = []

    def is_inside(self) -> bool:
        """Return whether the operator that runs is a part of one of these functions."""
        if self._is_running:
            return True
        node = running_node() if self._starts else None
        if node is None:
            return False
        number = sequence_number(node)
        backward = self._backward_of(number)
        if backward is None:
            return False
        if number > backward.last:  # this pass has come to it
            layer = backward.layer if self._tracker.in_backward else self._tracker.current
            moved, operators = backward.traffic.backward, backward.traffic.operators
            self._traffic.add(layer, moved, operators, backward=self._tracker.in_backward)
        backward.last = number
        return True

    def run(self, func: OpOverload, args: Any, kwargs: Any) -> Any:
        """Run a function as what it is made of, and add it as one operator."""
        if self._is_running or (func in DROPOUT and not _drops(*args, **kwargs)):
            return run_composite(func, args, kwargs)
        if torch.is_grad_enabled() and func.name() != "aten::dropout_":
            args, kwargs = tree_map_only(torch.Tensor, self._alias, (args, kwargs))
        start = next_sequence_number()
        self._is_running = True
        try:
            output = run_composite(func, args, kwargs)
            if func is ATTENTION:
                output = in_the_order_of(args[0].stride(), output)
        finally:
            self._is_running = False
        with functions_as_they_are():
            moved = SINGLE[func](args, kwargs, output)
        layer, end = self._tracker.current, next_sequence_number()
        self._traffic.add(layer, moved.forward, moved.operators, backward=self._tracker.in_backward)
        if end > start:
            self._starts.append(start)
            self._backwards.append(_Backward(end, layer, moved))
        return output

    def _alias(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return a view of an input whose gradient is summed up before it leaves the function.

        Else the sums inside of a function, of which a backend may need none, would look like those
        of gradients that it shares with others. It leaves as its tensor lies: what that takes is
        none of the model's copies.
        """
        if not tensor.requires_grad:
            return tensor
        with functions_as_they_are():
            alias, steps = tensor.view_as(tensor), tensor.stride()
            alias.register_hook(partial(self._in_order, steps))
        return alias

    def _in_order(self, steps: tuple[int, ...], gradient: torch.Tensor) -> torch.Tensor:
        was_running, self._is_running = self._is_running, True
        try:
            return in_the_order_of(steps, gradient)
        finally:
            self._is_running = was_running

    def _backward_of(self, number: int) -> _Backward | None:
        position = bisect_right(self._starts, number) - 1
        if position < 0 or number >= self._backwards[position].end:
            return None
        return self._backwards[position]


class SingleOperatorMode(OperatorMode):
    """A dispatch mode under which these functions are single operators, if it has an adder."""

    single: SingleOperators | None = None

    def run_composite(self, operator: Operator, args: Any, kwargs: Any) -> Any:
        """Run an operator that is made of others, in inference mode: else no mode sees it."""
        if self.single is None or operator.func not in SINGLE:
            return super().run_composite(operator, args, kwargs)
        with self:
            return self.single.run(operator.func, args, kwargs)


def single_operators_seen(devices: Iterable[str]) -> AbstractContextManager[None]:
    """Return the context in which the functions come to such a mode, on types of devices.

    What runs in their place refers to no mode: torch keeps it until it is replaced again.
    """
    return composites_replaced({func: partial(_run, func) for func in SINGLE}, devices)


def _run(func: OpOverload, *args: Any, **kwargs: Any) -> Any:
    for mode in reversed(dispatch_modes()):
        if isinstance(mode, SingleOperatorMode) and mode.single is not None:
            return mode.single.run(func, args, kwargs)
    return run_composite(func, args, kwargs)


def _drops(x: torch.Tensor, p: float, train: bool) -> bool:
    """Return whether dropout does anything."""
    return bool(train and p and x.numel())
