"""The bytes of an operator by a formula, built-in or registered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_flopbudget.errors import MeasureError
from pytest_flopbudget.measure.counting.formulas.registry import shapes_of

if TYPE_CHECKING:
    from pytest_flopbudget.measure.counting.formulas import Formula


class TrafficFormulaError(MeasureError):
    """A formula that somebody registered is wrong: no other way to run the model would help."""


def bytes_by_formula(name: str, formula: Formula, args: Any, kwargs: Any, output: Any) -> int:
    """Return what a formula gives for the arguments and the result of an operator.

    Raises:
        TrafficFormulaError: it fails, or does not return a whole number.
    """
    named = {key: shapes_of(value) for key, value in kwargs.items()}
    try:
        moved = formula(*map(shapes_of, args), **named, out_shape=shapes_of(output))
    except Exception as error:
        raise TrafficFormulaError(f"the traffic formula of `{name}` failed: {error!r}") from error
    if isinstance(moved, bool) or not isinstance(moved, int) or moved < 0:
        raise TrafficFormulaError(
            f"the traffic formula of `{name}` must return bytes as an int, 0 or more, "
            f"found `{moved!r}`"
        )
    return moved
