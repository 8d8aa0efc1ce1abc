"""What kernels without values let pass, and no real one does: factors of different dtypes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_flopbudget.errors import MeasureError

if TYPE_CHECKING:
    from pytest_flopbudget.measure.operators import Operator

FACTORS = {  # where they stand among the arguments
    "aten::mm": slice(0, 2),
    "aten::addmm": slice(1, 3),
    "aten::mv": slice(0, 2),
    "aten::convolution": slice(0, 2),
}


def check_factors(operator: Operator, args: Any) -> None:
    """Refuse a product that no device computes.

    Raises:
        MeasureError: its factors have different dtypes; a real run says it as PyTorch does.
    """
    place = FACTORS.get(operator.name)
    if place is None:
        return
    one, other = (str(tensor.dtype).removeprefix("torch.") for tensor in args[place])
    if one != other:
        raise MeasureError(f"`{operator.name}` got `{one}` and `{other}`: expected one dtype")
