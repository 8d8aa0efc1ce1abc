"""FLOPs of operators from the shapes of their arguments. One multiply-add is two.

A formula gets an operator's arguments with every tensor replaced by its shape, and `out_shape`;
it returns an integer. It knows neither models nor layers. There is a file for each family.
"""

from pytest_flopbudget.measure.formulas import (
    attention,
    convolutions,
    distances,
    linalg,
    products,
    recurrent,
    sequences,
    sparse,
    transforms,
)
from pytest_flopbudget.measure.formulas.contents import MissingValuesError, parts
from pytest_flopbudget.measure.formulas.registry import (
    Formula,
    formula_of,
    register_flop_formula,
    shapes_of,
)

__all__ = [
    "Formula",
    "MissingValuesError",
    "attention",
    "convolutions",
    "distances",
    "formula_of",
    "linalg",
    "parts",
    "products",
    "recurrent",
    "register_flop_formula",
    "sequences",
    "shapes_of",
    "sparse",
    "transforms",
]
