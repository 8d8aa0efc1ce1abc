"""The accesses of an operator: what its schema says that it reads and writes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import torch

from pytest_flopbudget.measure.counting.traffic.exceptions import (
    ELEMENT_WISE,
    KEPT,
    NOTHING,
    OVERWRITTEN,
    POOL_INDICES,
    RETURNED,
    SHAPE_ALONE,
)
from pytest_flopbudget.measure.operators import RUNNING_STATISTICS, tensors
from pytest_flopbudget.measure.torch_internals.dispatch import overloads_of, schema_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_flopbudget.measure.operators import Operator
    from pytest_flopbudget.measure.torch_internals.dispatch import OpOverload

Argument = tuple[int, str]  # its position and its name


@dataclass(frozen=True, kw_only=True)
class Accesses:
    """Which arguments and results of an operator are memory that it reads or writes."""

    unread: tuple[Argument, ...]  # arguments with tensors whose values it does not read
    created: tuple[int, ...]  # the positions of the results that are new, and are returned
    is_element_wise: bool
    copies: bool  # it may do no more than move a tensor to another device
    has_beta: bool  # a factor of its first operand, which is not read where that is 0
    has_indices: bool  # of a pooling, which count if somebody reads them
    objects: tuple[Argument, ...]  # arguments that are objects of torch's runtime
    mask: Argument | None  # which results are asked for
    training: Argument | None  # without it a normalisation leaves its statistics as they are

    def read(self, args: Any, kwargs: Any, given: Sequence[torch.Tensor]) -> Sequence[torch.Tensor]:
        """Return the tensors that a call reads; `given` are those among its arguments."""
        unread = self.unread
        if self.has_beta and kwargs.get("beta") == 0:
            unread = (*unread, (0, "self"))
        if not unread:
            return given
        positions, names = {position for position, _ in unread}, {name for _, name in unread}
        positional = [value for i, value in enumerate(args) if i not in positions]
        return list(tensors(positional, {k: v for k, v in kwargs.items() if k not in names}))

    def results(self, args: Any, kwargs: Any, output: Any) -> Sequence[torch.Tensor]:
        """Return the new tensors that a call writes, also those in lists."""
        if isinstance(output, torch.Tensor):
            return (output,) if self.created else ()
        if not isinstance(output, tuple):
            return list(tensors((output,))) if self.created else ()
        asked_for = None if self.mask is None else _given(self.mask, args, kwargs)
        found = [output[at] for at in self.created if asked_for is None or asked_for[at]]
        return list(tensors(found))

    def does_write(self, args: Any, kwargs: Any) -> bool:
        """Return whether a call writes into the arguments that it may write into."""
        return self.training is None or bool(_given(self.training, args, kwargs))

    def held_objects(self, args: Any, kwargs: Any) -> Iterator[Any]:
        """Yield the objects of torch's runtime among the arguments of a call."""
        for argument in self.objects:
            value = _given(argument, args, kwargs)
            values = value if isinstance(value, list | tuple) else (value,)
            yield from (one for one in values if isinstance(one, torch.ScriptObject))


@cache
def accesses_of(operator: Operator) -> Accesses | None:
    """Return what an operator reads and writes; `None` if it moves nothing."""
    func, schema = operator.func, schema_of(operator.func)
    namespace, name = operator.name.split("::")
    if namespace != "aten":
        name = ""
    if name in NOTHING or torch.Tag.inplace_view in func.tags:
        return None
    if not operator.writes and not any(_is_new_tensor(one) for one in schema.returns):
        return None  # a view, or no tensor
    return Accesses(
        unread=tuple(_unread(operator, name)),
        created=tuple(
            position
            for position, result in enumerate(schema.returns[: RETURNED.get(name)])
            if _is_new_tensor(result)
        ),
        is_element_wise=_is_element_wise(func, name),
        copies=name in ("_to_copy", "copy_"),
        has_beta=any(argument.name == "beta" for argument in schema.arguments),
        has_indices=name in POOL_INDICES,
        objects=tuple(
            (position, argument.name)
            for position, argument in enumerate(schema.arguments)
            if "__torch__" in str(argument.type)
        ),
        mask=_argument(func, "output_mask", "grad_input_mask"),
        training=_argument(func, "training", "train") if _updates_statistics(operator) else None,
    )


def _updates_statistics(operator: Operator) -> bool:
    return any(name in RUNNING_STATISTICS for _, name in operator.writes)


def _argument(func: OpOverload, *names: str) -> Argument | None:
    """Return the argument that has one of some names."""
    for position, argument in enumerate(schema_of(func).arguments):
        if argument.name in names:
            return position, argument.name
    return None


def _given(argument: Argument, args: Any, kwargs: Any) -> Any:
    position, name = argument
    return args[position] if position < len(args) else kwargs.get(name)


def _is_new_tensor(result: Any) -> bool:
    return result.alias_info is None and "Tensor" in str(result.type)


def _unread(operator: Operator, name: str) -> Iterator[Argument]:
    overload = f"{name}.{schema_of(operator.func).overload_name}"
    takes_shape = name in SHAPE_ALONE or overload in SHAPE_ALONE
    for position, argument in enumerate(schema_of(operator.func).arguments):
        is_first = position == 0
        if (
            argument.is_out
            or (is_first and (takes_shape or name in OVERWRITTEN))
            or argument.name in KEPT.get(name, ())
        ):
            yield position, argument.name


def _is_element_wise(func: OpOverload, name: str) -> bool:
    if name in ELEMENT_WISE:
        return True
    return any(torch.Tag.pointwise in overload.tags for overload in (func, *overloads_of(func)))
