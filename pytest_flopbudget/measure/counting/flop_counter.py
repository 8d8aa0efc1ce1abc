"""The walker: a dispatch mode that sees every operator of one call and books it on a layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from pytest_flopbudget.errors import MeasureError
from pytest_flopbudget.measure.counting.formulas import (
    MissingValuesError,
    formula_of,
    parts,
    shapes_of,
)
from pytest_flopbudget.measure.counting.free_operators import is_free
from pytest_flopbudget.measure.operator_mode import OperatorMode
from pytest_flopbudget.measure.operators import tensors
from pytest_flopbudget.measure.torch_internals.autograd import running_node, sequence_number
from pytest_flopbudget.measure.torch_internals.dispatch import eager_kernel

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_flopbudget.measure.counting.backends.base import Backend
    from pytest_flopbudget.measure.counting.flop_count import FlopCount
    from pytest_flopbudget.measure.counting.formulas import Formula
    from pytest_flopbudget.measure.counting.module_tracker import ModuleTracker
    from pytest_flopbudget.measure.counting.tensor_usage import TensorUsage
    from pytest_flopbudget.measure.layers import AutogradOwners
    from pytest_flopbudget.measure.operators import Operator
    from pytest_flopbudget.measure.torch_internals.dispatch import HigherOrderOperator


class FormulaError(MeasureError):
    """A formula that somebody registered is wrong: no other way to run the model would help."""


class FlopCounterMode(OperatorMode):
    """Runs every operator in its world, and adds what it costs to the layer that runs."""

    def __init__(
        self,
        world: Backend,
        tracker: ModuleTracker,
        switches: AutogradOwners,
        access: TensorUsage,
        result: FlopCount,
        *,
        is_last: bool,
    ) -> None:
        super().__init__()
        self.in_backward = False
        self._world = world
        self._tracker = tracker
        self._switches = switches
        self._access = access
        self._result = result
        self._is_last = is_last  # there is no other world to try

    def is_run_whole(self, operator: Operator, given: Sequence[torch.Tensor]) -> bool:
        """Return whether there is a formula for an operator that is made of others."""
        del given
        return formula_of(operator.func) is not None

    def run(self, operator: Operator, args: Any, kwargs: Any, given: list[torch.Tensor]) -> Any:
        """Run an operator in the backend, and book what it costs."""
        try:
            self._access.note(operator, args, kwargs, given)
            output = self._world.run(operator, args, kwargs, given)
            formula = formula_of(operator.func)
            if formula is not None:
                self._count(operator.name, formula, given, args, kwargs, output)
            elif not is_free(operator.func):
                self._note_uncounted(operator.name, given)
        except Exception as error:
            self._access.note_failure(error)
            raise
        return output

    def run_higher_order(self, func: HigherOrderOperator, args: Any, kwargs: Any) -> Any:
        """Run an operator that takes functions: by its formula, or as what it is made of."""
        name, formula = f"higher_order::{func.__name__}", formula_of(func)
        given = list(tensors(args, kwargs))
        if formula is not None:
            output = func(*args, **kwargs)
            self._count(name, formula, given, args, kwargs, output)
            return output
        if func is torch.ops.higher_order.cond:
            condition, if_true, if_false, operands = args
            self._access.reads.values = True
            with self:
                return (if_true if condition else if_false)(*operands)
        if eager_kernel(func) is None:
            self._note_uncounted(name, given)
        return super().run_higher_order(func, args, kwargs)

    def _count(
        self,
        name: str,
        formula: Formula,
        given: list[torch.Tensor],
        args: Any,
        kwargs: Any,
        output: Any,
    ) -> None:
        """Book what a formula gives; what needs values that are nowhere is uncounted.

        Raises:
            MissingValuesError: another world may have the values.
        """
        called = [(args, kwargs, output)]
        if any(tensor.is_nested for tensor in given):
            called = list(parts(args, kwargs, output))
        try:
            flops = sum(self._flops(name, formula, *part) for part in called)
        except MissingValuesError:
            if not self._is_last:
                raise
            self._note_uncounted(name, given)
        else:
            self._book(flops)

    def _flops(self, name: str, formula: Formula, args: Any, kwargs: Any, output: Any) -> int:
        """Apply a formula.

        Raises:
            FormulaError: a registered formula fails, or does not return a whole number.
        """
        reveal = self._reveal
        named = {key: shapes_of(value, reveal) for key, value in kwargs.items()}
        positional = [shapes_of(value, reveal) for value in args]
        try:
            flops = formula(*positional, **named, out_shape=shapes_of(output, reveal))
        except MissingValuesError:
            raise
        except Exception as error:
            raise FormulaError(f"the formula of `{name}` failed: {error!r}") from error
        if isinstance(flops, bool) or not isinstance(flops, int) or flops < 0:
            raise FormulaError(
                f"the formula of `{name}` must return FLOPs as an int, 0 or more, found `{flops!r}`"
            )
        return flops

    def _reveal(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return a tensor with its values, for a formula; unless they are constant, they decide."""
        constant = self._world.constant(tensor)
        if constant is not None:
            return constant
        self._access.decides = True
        return self._world.value(tensor)

    def _book(self, flops: int) -> None:
        if not self.in_backward:
            self._result.forward[self._tracker.current] += flops
        else:
            self._result.backward[self._layer_in_backward()] += flops

    def _note_uncounted(self, name: str, given: Iterable[torch.Tensor]) -> None:
        layer = self._layer_in_backward() if self.in_backward else self._tracker.current
        self._result.note(name, layer, given)

    def _layer_in_backward(self) -> int:
        """Find the layer whose forward made the node that runs now; recomputation is on top."""
        if self._tracker.stack:
            return self._tracker.current
        node = running_node()
        return self._tracker.current if node is None else self._switches.at(sequence_number(node))
