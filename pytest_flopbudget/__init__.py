"""Compute-budget regression tests for PyTorch; the public names, imported when they are used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_flopbudget.api import profile_model as profile_model
    from pytest_flopbudget.errors import FlopBudgetError as FlopBudgetError
    from pytest_flopbudget.measure.counting.formulas import (
        register_flop_formula as register_flop_formula,
    )
    from pytest_flopbudget.measure.counting.formulas import (
        register_traffic_formula as register_traffic_formula,
    )
    from pytest_flopbudget.measure.counting.formulas import (
        unregister_flop_formula as unregister_flop_formula,
    )
    from pytest_flopbudget.measure.counting.formulas import (
        unregister_traffic_formula as unregister_traffic_formula,
    )
    from pytest_flopbudget.plugin.fixture import FlopBudget as FlopBudget
    from pytest_flopbudget.profile.environment import Environment as Environment
    from pytest_flopbudget.profile.model_profile import LayerProfile as LayerProfile
    from pytest_flopbudget.profile.model_profile import ModelProfile as ModelProfile
    from pytest_flopbudget.profile.scaling_profile import ScalingProfile as ScalingProfile

_HOMES = {
    "Environment": "profile.environment",
    "FlopBudget": "plugin.fixture",
    "FlopBudgetError": "errors",
    "LayerProfile": "profile.model_profile",
    "ModelProfile": "profile.model_profile",
    "ScalingProfile": "profile.scaling_profile",
    "profile_model": "api",
    "register_flop_formula": "measure.counting.formulas",
    "register_traffic_formula": "measure.counting.formulas",
    "unregister_flop_formula": "measure.counting.formulas",
    "unregister_traffic_formula": "measure.counting.formulas",
}
__all__ = sorted(_HOMES)  # noqa: PLE0605 - the names above
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module `{__name__}` has no attribute `{name}`")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return [*globals(), *_HOMES]
