"""The dispatch mode that all others are made of: it hands over operators one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_flopbudget.measure.operators import is_made_of_others, operator_of, tensors
from pytest_flopbudget.measure.torch_internals.dispatch import (
    DispatchMode,
    HigherOrderOperator,
    eager_kernel,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from pytest_flopbudget.measure.operators import Operator
    from pytest_flopbudget.measure.torch_internals.dispatch import OpOverload


class OperatorMode(DispatchMode):
    """Sees every operator that runs, and of one that is made of others only these others."""

    def run(self, operator: Operator, args: Any, kwargs: Any, given: list[torch.Tensor]) -> Any:
        """Run one operator, and return its result; `given` are the tensors among its arguments."""
        raise NotImplementedError

    def is_run_whole(self, operator: Operator, given: Sequence[torch.Tensor]) -> bool:
        """Return whether an operator that is made of others is handed over itself."""
        del operator, given
        return False

    def run_higher_order(self, func: HigherOrderOperator, args: Any, kwargs: Any) -> Any:
        """Run an operator that takes functions, and see the operators in these if torch lets us."""
        kernel = eager_kernel(func)
        if kernel is None:
            return func(*args, **kwargs)
        with self:
            return kernel(*args, **kwargs)

    def __torch_dispatch__(
        self, func: OpOverload, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if any(map(is_made_of_others, types)):
            return NotImplemented  # the operators on those others come here
        kwargs = kwargs or {}
        if isinstance(func, HigherOrderOperator):
            return self.run_higher_order(func, args, kwargs)
        operator, given = operator_of(func), list(tensors(args, kwargs))
        if operator.is_composite and not self.is_run_whole(operator, given):
            with self:
                return func.decompose(*args, **kwargs)
        return self.run(operator, args, kwargs, given)
