"""A formula that was registered can be taken back, and what held before holds again."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from pytest_flopbudget import profile_model, register_flop_formula, unregister_flop_formula
from pytest_flopbudget.errors import SettingsError
from pytest_flopbudget.measure.counting.formulas import registry
from tests.measure.helpers import Fn, x

BUILT_IN = 2 * 3 * 4 * 5


def flops() -> int | None:
    return profile_model(Fn(torch.mm), (x(3, 4), x(4, 5))).flops


def test_the_built_in_formula_comes_back() -> None:
    register_flop_formula("aten::mm")(lambda *_, **__: 7)
    assert flops() == 7
    unregister_flop_formula("aten::mm")
    assert flops() == BUILT_IN


def test_the_newest_is_taken_back_first() -> None:
    register_flop_formula("aten::mm")(lambda *_, **__: 7)
    register_flop_formula(torch.ops.aten.mm)(lambda *_, **__: 8)
    assert flops() == 8
    unregister_flop_formula(torch.ops.aten.mm)
    assert flops() == 7
    unregister_flop_formula("aten::mm")
    assert flops() == BUILT_IN


def test_where_there_was_none_there_is_none_again() -> None:
    before = dict(registry.FLOPS.formulas)
    register_flop_formula("flopbudget_tests::nothing")(lambda *_, **__: 7)
    assert dict(registry.FLOPS.formulas) != before
    unregister_flop_formula("flopbudget_tests::nothing")
    assert dict(registry.FLOPS.formulas) == before


def test_a_built_in_formula_cannot_be_taken_back() -> None:
    with pytest.raises(SettingsError) as error:
        unregister_flop_formula("aten::mm")
    assert str(error.value) == (
        "`unregister_flop_formula`: no formula was registered for `aten::mm`\n\n"
        "hint: built-in formulas stay: register another one in their place"
    )
    assert flops() == BUILT_IN


def test_a_name_that_was_not_registered_is_told_from_one_that_was() -> None:
    register_flop_formula("flopbudget_tests::nothing")(lambda *_, **__: 7)
    try:
        with pytest.raises(SettingsError, match="did you mean `flopbudget_tests::nothing`"):
            unregister_flop_formula("flopbudget_tests::nothin")
    finally:
        unregister_flop_formula("flopbudget_tests::nothing")


@pytest.mark.parametrize("name", ["mm", "", "a::b::c", "aten.mm", 3, torch.mm])
def test_what_is_no_operator_is_an_error(name: Any) -> None:
    with pytest.raises(
        SettingsError, match="`unregister_flop_formula`: expected `namespace::name`"
    ):
        unregister_flop_formula(name)
