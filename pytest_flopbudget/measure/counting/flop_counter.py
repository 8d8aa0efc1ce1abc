"""The FLOP counter: a dispatch mode that counts every operator of one call for its layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_flopbudget.errors import MeasureError
from pytest_flopbudget.measure.counting.formulas import (
    MissingValuesError,
    calls_without_nesting,
    formula_of,
    shapes_of,
)
from pytest_flopbudget.measure.counting.free_operators import is_free
from pytest_flopbudget.measure.counting.traffic.single_operators import SingleOperatorMode
from pytest_flopbudget.measure.operators import tensors
from pytest_flopbudget.measure.torch_internals.dispatch import functions_as_they_are
from pytest_flopbudget.measure.torch_internals.higher_order import eager_kernel, plain_form

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from pytest_flopbudget.measure.counting.dispatch_engine import CountingRun
    from pytest_flopbudget.measure.counting.formulas import Formula
    from pytest_flopbudget.measure.counting.tensor_usage import TensorUsage
    from pytest_flopbudget.measure.operators import Operator
    from pytest_flopbudget.measure.torch_internals.dispatch import HigherOrderOperator


class FormulaError(MeasureError):
    """A formula that somebody registered is wrong: no other way to run the model would help."""


class FlopCounterMode(SingleOperatorMode):
    """Runs every operator in the backend of a run, and adds its FLOPs to the layer that runs."""

    def __init__(self, run: CountingRun, usage: TensorUsage) -> None:
        super().__init__()
        self._run = run
        self._usage = usage
        self._traffic = run.traffic
        self.single = None if run.traffic is None else run.traffic.single

    def is_run_whole(self, operator: Operator, given: Sequence[torch.Tensor]) -> bool:
        """Return whether there is a formula for an operator that is made of others."""
        del given
        return formula_of(operator.func) is not None

    def run(self, operator: Operator, args: Any, kwargs: Any, given: list[torch.Tensor]) -> Any:
        """Run an operator in the backend, and count it by its formula if it has one."""
        try:
            self._usage.note(operator, args, kwargs, given)
            output = self._run.backend.run(operator, args, kwargs, given)
            formula = formula_of(operator.func)
            if formula is not None:
                with functions_as_they_are():
                    self._count(operator.name, formula, given, (args, kwargs, output))
            elif not is_free(operator.func):
                self._run.note_uncounted(operator.name, given)
            if self._traffic is not None:
                self._traffic.note(operator, args, kwargs, given, output)
        except Exception as error:
            self._run.note_failure(error)
            raise
        return output

    def run_higher_order(self, func: HigherOrderOperator, args: Any, kwargs: Any) -> Any:
        """Run an operator that takes functions: by its formula, or as what it is made of."""
        name, formula = f"higher_order::{func.__name__}", formula_of(func)
        given = list(tensors(args, kwargs))
        if formula is not None:
            output = func(*args, **kwargs)
            self._count(name, formula, given, (args, kwargs, output))
            if self._traffic is not None:
                self._traffic.note_single(given, output)
            return output
        if plain_form(func) is None and eager_kernel(func) is None:
            self._run.note_uncounted(name, given)
        return super().run_higher_order(func, args, kwargs)

    def _count(self, name: str, formula: Formula, given: list[torch.Tensor], called: Any) -> None:
        """Add what a formula gives for `called`: the arguments and the result of an operator.

        Raises:
            MissingValuesError: another backend may have the values that the formula needs.
        """
        calls = (
            calls_without_nesting(*called)
            if any(tensor.is_nested for tensor in given)
            else [called]
        )
        try:
            flops = sum(self._flops(name, formula, *each) for each in calls)
        except MissingValuesError as error:
            self._run.note_unknown(error, name, given)
            return
        tracker, count = self._run.tracker, self._run.count
        if tracker.in_backward:
            count.backward[tracker.owner_in_backward()] += flops
        else:
            count.forward[tracker.current] += flops

    def _flops(self, name: str, formula: Formula, args: Any, kwargs: Any, output: Any) -> int:
        """Apply a formula.

        Raises:
            FormulaError: a registered formula fails, or does not return a whole number.
        """
        read_values = self._read_values
        named = {key: shapes_of(value, read_values) for key, value in kwargs.items()}
        positional = [shapes_of(value, read_values) for value in args]
        try:
            flops = formula(*positional, **named, out_shape=shapes_of(output, read_values))
        except MissingValuesError:
            raise
        except Exception as error:
            raise FormulaError(f"the formula of `{name}` failed: {error!r}") from error
        if isinstance(flops, bool) or not isinstance(flops, int) or flops < 0:
            raise FormulaError(
                f"the formula of `{name}` must return FLOPs as an int, 0 or more, found `{flops!r}`"
            )
        return flops

    def _read_values(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return a tensor with its values, for a formula; the count depends on them."""
        backend = self._run.backend
        constant = backend.constant(tensor)
        if constant is not None:
            return constant
        self._usage.note_values_counted()
        return backend.value(tensor)
