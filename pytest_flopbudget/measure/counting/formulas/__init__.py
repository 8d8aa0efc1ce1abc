"""FLOPs of operators from the shapes of their arguments. One multiply-add is two.

A formula gets an operator's arguments with every tensor replaced by its shape, and `out_shape`;
it returns an integer. It knows neither models nor layers. There is a file for each family.
"""

from pytest_flopbudget.measure.counting.formulas import (
    attention,
    convolution,
    distance,
    fft,
    linalg,
    matmul,
    rnn,
    sparse,
    varlen_attention,
)
from pytest_flopbudget.measure.counting.formulas.registry import (
    Formula,
    formula_of,
    register_flop_formula,
    register_traffic_formula,
    shapes_of,
    unregister_flop_formula,
    unregister_traffic_formula,
)
from pytest_flopbudget.measure.counting.formulas.tensor_values import (
    MissingValuesError,
    calls_without_nesting,
)

__all__ = [
    "Formula",
    "MissingValuesError",
    "attention",
    "calls_without_nesting",
    "convolution",
    "distance",
    "fft",
    "formula_of",
    "linalg",
    "matmul",
    "register_flop_formula",
    "register_traffic_formula",
    "rnn",
    "shapes_of",
    "sparse",
    "unregister_flop_formula",
    "unregister_traffic_formula",
    "varlen_attention",
]
