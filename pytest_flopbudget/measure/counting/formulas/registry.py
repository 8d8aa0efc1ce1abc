"""The formulas by operator, and how others add theirs."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import torch

from pytest_flopbudget.errors import SettingsError
from pytest_flopbudget.measure.torch_internals.dispatch import (
    HigherOrderOperator,
    qualified_name,
    schema_of,
)

if TYPE_CHECKING:
    from pytest_flopbudget.measure.torch_internals.dispatch import OpOverload, OpOverloadPacket


Formula = Callable[..., int]
Reveal = Callable[[torch.Tensor], torch.Tensor]
F = TypeVar("F", bound=Formula)

_formulas: dict[str, Formula] = {}


class ShapeOf(tuple[int, ...]):
    """The shape of a tensor, which knows its tensor, for formulas that count what is stored."""

    tensor: torch.Tensor
    reveal: Reveal  # where the values of the tensor are


def register_flop_formula(op: str | OpOverloadPacket) -> Callable[[F], F]:
    """Register how the FLOPs of an operator follow from its shapes, for all its overloads.

    ```python
    @register_flop_formula("mylib::fused_mlp")
    def fused_mlp(x, w1, w2, *, out_shape):
        return 2 * math.prod(x[:-1]) * (math.prod(w1) + math.prod(w2))
    ```

    Args:
        op: `"namespace::name"`, or an operator such as `torch.ops.mylib.fused_mlp`.

    Returns:
        The decorator. The function that it takes gets the operator's arguments with tensors
        replaced by their shapes (a tuple of int; a list of tensors is a list of shapes), and
        `out_shape=`; it returns FLOPs as an int, a multiply-add counting as two.

    Raises:
        SettingsError: `op` is not the name of an operator.
    """
    name = op if isinstance(op, str) else qualified_name(op)
    if not re.fullmatch(r"\w+::\w+", name):
        raise SettingsError(
            f"`register_flop_formula`: expected `namespace::name`, found `{op}`",
            "a formula is for all overloads of an operator",
        )

    def decorate(formula: F) -> F:
        _formulas[name] = formula
        return formula

    return decorate


def formula_of(func: OpOverload | HigherOrderOperator) -> Formula | None:
    """Return the formula of an operator, if there is one."""
    if isinstance(func, HigherOrderOperator):
        return _formulas.get(f"higher_order::{func.__name__}")
    name = schema_of(func).name
    plain = name.removesuffix("_") if name.startswith("aten::") else name  # in place, the same
    return _formulas.get(name) or _formulas.get(plain)


def register(*names: str) -> Callable[[F], F]:
    """Register one formula for several operators, of ATen unless they name another library."""

    def decorate(formula: F) -> F:
        for name in names:
            register_flop_formula(name if "::" in name else f"aten::{name}")(formula)
        return formula

    return decorate


def shapes_of(value: Any, reveal: Reveal = lambda tensor: tensor) -> Any:
    """Replace the tensors in an operator's arguments by their shapes."""
    if isinstance(value, torch.Tensor):
        shape = ShapeOf(map(int, value.shape))
        shape.tensor, shape.reveal = value, reveal
        return shape
    if isinstance(value, list | tuple):
        return [shapes_of(item, reveal) for item in value] if value else value
    return value
