"""Operators: what their schemas and tags say, and the dispatch mode that sees each one run."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import torch

from pytest_flopbudget.measure.isolation import interrupts
from pytest_flopbudget.measure.torch_internals.dispatch import (
    DispatchMode,
    HigherOrderOperator,
    OpOverload,
    dispatches_itself,
    has_kernel,
    has_kernel_for,
    schema_of,
)
from pytest_flopbudget.measure.torch_internals.higher_order import eager_kernel, plain_form

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


RUNNING_STATISTICS = ("running_mean", "running_var")
UNDECLARED_WRITES = {  # these update their running statistics though their schema does not say so
    "aten::native_batch_norm": RUNNING_STATISTICS,
    "aten::cudnn_batch_norm": RUNNING_STATISTICS,
    "aten::miopen_batch_norm": RUNNING_STATISTICS,
    "aten::batch_norm_gather_stats": RUNNING_STATISTICS,
    "aten::batch_norm_gather_stats_with_counts": RUNNING_STATISTICS,
}


@dataclass(frozen=True)
class Operator:
    """One overload of an operator."""

    func: OpOverload

    @cached_property
    def name(self) -> str:
        """Its name without the overload, `namespace::name`."""
        name: str = schema_of(self.func).name
        return name

    @cached_property
    def is_composite(self) -> bool:
        """Whether it is made of other operators, which then are what counts."""
        name = self.func.name()
        return has_kernel(name) and has_kernel_for(name, "CompositeImplicitAutograd")

    @cached_property
    def aliases(self) -> bool:
        """Whether it says that its outputs may lie in the memory of its inputs."""
        schema = schema_of(self.func)
        return any(value.alias_info is not None for value in (*schema.arguments, *schema.returns))

    @cached_property
    def is_pure(self) -> bool:
        """Whether the form of its outputs follows from that of its inputs, and is all it does."""
        is_ours_to_know = self.name.startswith("aten::")  # others may do anything
        return is_ours_to_know and not (self.aliases or self.is_random or self.reads_values)

    @cached_property
    def is_random(self) -> bool:
        """Whether its result depends on the state of a random generator."""
        return torch.Tag.nondeterministic_seeded in self.func.tags

    @cached_property
    def reads_values(self) -> bool:
        """Whether the values of its inputs decide about more than the values of its outputs."""
        tags = self.func.tags
        return torch.Tag.data_dependent_output in tags or torch.Tag.dynamic_output_shape in tags

    @cached_property
    def writes(self) -> tuple[tuple[int, str], ...]:
        """Position and name of the arguments that it writes into."""
        undeclared = UNDECLARED_WRITES.get(self.name, ())
        return tuple(
            (position, argument.name)
            for position, argument in enumerate(schema_of(self.func).arguments)
            if _is_write(argument) or argument.name in undeclared
        )

    def written(self, args: Any, kwargs: Any) -> Iterator[torch.Tensor]:
        """Yield the tensors that a call writes into."""
        for position, name in self.writes:
            value = args[position] if position < len(args) else kwargs.get(name)
            for item in value if isinstance(value, list | tuple) else (value,):
                if isinstance(item, torch.Tensor):
                    yield item


@cache
def operator_of(func: OpOverload) -> Operator:
    """Return the one record of an operator."""
    return Operator(func)


def tensors(args: Any, kwargs: Any = None) -> Iterator[torch.Tensor]:
    """Yield the tensors among an operator's arguments, which nest one level deep."""
    for value in (*args, *kwargs.values()) if kwargs else args:
        if isinstance(value, torch.Tensor):
            yield value
        elif isinstance(value, list | tuple):
            for item in value:
                if isinstance(item, torch.Tensor):
                    yield item


@cache
def is_made_of_others(kind: type) -> bool:
    """Tell a tensor that runs operators on others, as a jagged one; a distributed one counts whole.

    A fake tensor runs them on the mode below.
    """
    is_whole = kind.__name__ in ("DTensor", "FakeTensor")
    return not is_whole and (hasattr(kind, "__tensor_flatten__") or dispatches_itself(kind))


def _is_write(argument: Any) -> bool:
    return argument.alias_info is not None and argument.alias_info.is_write


class OperatorMode(DispatchMode):
    """Sees every operator that runs, and of one that is made of others only these others."""

    def run(self, operator: Operator, args: Any, kwargs: Any, given: list[torch.Tensor]) -> Any:
        """Run one operator, and return its result; `given` are the tensors among its arguments."""
        raise NotImplementedError

    def is_run_whole(self, operator: Operator, given: Sequence[torch.Tensor]) -> bool:
        """Return whether an operator that is made of others is handed over itself."""
        del operator, given
        return False

    def run_composite(self, operator: Operator, args: Any, kwargs: Any) -> Any:
        """Run an operator that is made of others, and see these."""
        with self:
            return operator.func.decompose(*args, **kwargs)

    def run_higher_order(self, func: HigherOrderOperator, args: Any, kwargs: Any) -> Any:
        """Run an operator that takes functions, and see the operators in these if torch lets us."""
        kernel = plain_form(func) or eager_kernel(func)
        if kernel is None:
            return func(*args, **kwargs)
        with self:
            return kernel(*args, **kwargs)

    def __torch_dispatch__(
        self, func: OpOverload, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if any(map(is_made_of_others, types)):
            return NotImplemented  # the operators on those others come here
        if interrupts.current is not None and interrupts.current.is_due:
            interrupts.deliver_interrupts()
        kwargs = kwargs or {}
        if isinstance(func, HigherOrderOperator):
            return self.run_higher_order(func, args, kwargs)
        operator, given = operator_of(func), list(tensors(args, kwargs))
        if operator.is_composite and not self.is_run_whole(operator, given):
            return self.run_composite(operator, args, kwargs)
        return self.run(operator, args, kwargs, given)
