"""The registry of formulas, by operator, and what a formula is given in the place of tensors."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import torch

from pytest_flopbudget.errors import SettingsError, with_nearest
from pytest_flopbudget.measure.counting.formulas.view_bytes import bytes_of
from pytest_flopbudget.measure.torch_internals.dispatch import (
    HigherOrderOperator,
    qualified_name,
    schema_of,
)

if TYPE_CHECKING:
    from pytest_flopbudget.measure.torch_internals.dispatch import OpOverload, OpOverloadPacket
    from pytest_flopbudget.profile.shapes import Shape

Formula = Callable[..., int]
ReadValues = Callable[[torch.Tensor], torch.Tensor]
F = TypeVar("F", bound=Formula)

SPARSE = frozenset(
    {
        *(torch.sparse_coo, torch.sparse_csr, torch.sparse_csc),
        *(torch.sparse_bsr, torch.sparse_bsc),
    }
)


class Registry:
    """The formulas of one kind, by the qualified name of their operators."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self.formulas: dict[str, Formula] = {}
        self.replaced: dict[str, list[Formula | None]] = {}  # what each registration took over

    def get(self, name: str) -> Formula | None:
        """Return the formula of an operator, if there is one."""
        return self.formulas.get(name)

    def build_in(self, *names: str) -> Callable[[F], F]:
        """Register one built-in formula for several operators, of ATen unless they name a library.

        It is what holds when all others are taken back.
        """
        qualified = [name if "::" in name else f"aten::{name}" for name in names]

        def decorate(formula: F) -> F:
            self.formulas.update(dict.fromkeys(qualified, formula))
            return formula

        return decorate

    def register(self, op: str | OpOverloadPacket) -> Callable[[F], F]:
        """Return the decorator that registers a formula in the place of what holds."""
        name = _name_of(f"register_{self._kind}_formula", op)

        def decorate(formula: F) -> F:
            self.replaced.setdefault(name, []).append(self.formulas.get(name))
            self.formulas[name] = formula
            return formula

        return decorate

    def unregister(self, op: str | OpOverloadPacket) -> None:
        """Take the newest formula back.

        Raises:
            SettingsError: `op` is not the name of an operator, or nothing was registered for it.
        """
        function = f"unregister_{self._kind}_formula"
        name = _name_of(function, op)
        if not self.replaced.get(name):
            registered = [name for name, replaced in self.replaced.items() if replaced]
            said = f"`{function}`: no formula was registered for `{name}`"
            raise SettingsError(
                with_nearest(said, name, registered),
                "built-in formulas stay: register another one in their place",
            )
        before = self.replaced[name].pop()
        if before is None:
            del self.formulas[name]
        else:
            self.formulas[name] = before


FLOPS = Registry("flop")
TRAFFIC = Registry("traffic")

register = FLOPS.build_in  # a built-in formula of FLOPs


class ShapeOf(tuple[int, ...]):
    """The shape of a tensor, which knows its tensor, for formulas that count what is stored."""

    tensor: torch.Tensor
    read_values: ReadValues  # returns the tensor with its values

    @property
    def itemsize(self) -> int:
        """The bytes of one element."""
        return self.tensor.itemsize

    @property
    def nbytes(self) -> int:
        """The bytes that a read or a write of the tensor moves, as `docs/traffic.md` has it."""
        return bytes_of(self.tensor)


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
    return FLOPS.register(op)


def unregister_flop_formula(op: str | OpOverloadPacket) -> None:
    """Take the newest formula that was registered for an operator back.

    What held before holds again: the formula registered before it, the built-in one, or none.

    Args:
        op: as in `register_flop_formula`.

    Raises:
        SettingsError: `op` is not the name of an operator, or nothing was registered for it.
    """
    FLOPS.unregister(op)


def register_traffic_formula(op: str | OpOverloadPacket) -> Callable[[F], F]:
    """Register the bytes that an operator reads and writes, for all its overloads.

    It is for an operator whose reads are not all of its inputs, as one that gathers:

    ```python
    @register_traffic_formula("mylib::gather_rows")
    def gather_rows(table, rows, *, out_shape):
        return rows.nbytes + 2 * out_shape.nbytes
    ```

    Args:
        op: `"namespace::name"`, or an operator such as `torch.ops.mylib.gather_rows`; one that
            writes in place has a formula of its own.

    Returns:
        The decorator. The function that it takes gets the operator's arguments with tensors
        replaced by their shapes (a tuple of int; a list of tensors is a list of shapes), and
        `out_shape=`; each shape knows its `nbytes` and `itemsize`. It returns bytes as an int.

    Raises:
        SettingsError: `op` is not the name of an operator.
    """
    return TRAFFIC.register(op)


def unregister_traffic_formula(op: str | OpOverloadPacket) -> None:
    """Take the newest formula of traffic that was registered for an operator back.

    What held before holds again: the formula registered before it, the built-in one, or the rule
    of all operators.

    Args:
        op: as in `register_traffic_formula`.

    Raises:
        SettingsError: `op` is not the name of an operator, or nothing was registered for it.
    """
    TRAFFIC.unregister(op)


def formula_of(func: OpOverload | HigherOrderOperator) -> Formula | None:
    """Return the formula of an operator, if there is one."""
    if isinstance(func, HigherOrderOperator):
        return FLOPS.get(f"higher_order::{func.__name__}")
    name = schema_of(func).name
    plain = name.removesuffix("_") if name.startswith("aten::") else name  # in place, the same
    return FLOPS.get(name) or FLOPS.get(plain)


def shapes_of(value: Any, read_values: ReadValues = lambda tensor: tensor) -> Any:
    """Return an operator's argument with its shape in the place of each tensor."""
    if isinstance(value, torch.Tensor):
        shape = ShapeOf(map(int, value.shape))
        shape.tensor, shape.read_values = value, read_values
        return shape
    if isinstance(value, list | tuple):
        return [shapes_of(item, read_values) for item in value] if value else value
    return value


def is_sparse(shape: Shape) -> bool:
    """Return whether a shape is that of a sparse tensor, of any layout."""
    return isinstance(shape, ShapeOf) and shape.tensor.layout in SPARSE


def _name_of(function: str, op: str | OpOverloadPacket) -> str:
    name = op if isinstance(op, str) else qualified_name(op)
    if not re.fullmatch(r"\w+::\w+", name):
        raise SettingsError(
            f"`{function}`: expected `namespace::name`, found `{op}`",
            "a formula is for all overloads of an operator",
        )
    return name
