"""What modules must do for us: be called by an attribute, and say whether they are compiled."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn

from pytest_flopbudget.measure.torch_internals.modules import (
    CALL,
    COMPILED_CALL,
    compiled_call,
    compiled_from,
    dynamo_is_loaded,
    has_compiled_forward,
    has_global_hooks,
    unpacked,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def _dynamo() -> Iterator[None]:
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


@pytest.mark.parametrize("attribute", [CALL, COMPILED_CALL])
def test_a_module_runs_what_its_instance_has_in_these_attributes(attribute: str) -> None:
    module = nn.Identity()
    vars(module)[attribute] = lambda rows: ("intercepted", rows)
    assert module(3) == ("intercepted", 3)


@pytest.mark.usefixtures("_dynamo")
def test_what_a_module_was_compiled_from() -> None:
    model = nn.Linear(2, 2)
    compiled: Any = torch.compile(model, backend="eager")
    assert compiled_from(compiled) is model
    assert compiled_from(model) is None


@pytest.mark.usefixtures("_dynamo")
def test_a_module_that_was_compiled_in_place() -> None:
    model = nn.Linear(2, 2)
    assert compiled_call(model) is None
    model.compile(backend="eager")
    assert compiled_call(model) is not None


@pytest.mark.usefixtures("_dynamo")
def test_a_module_whose_forward_was_compiled() -> None:
    model: Any = nn.Linear(2, 2)
    assert not has_compiled_forward(model)
    model.forward = torch.compile(model.forward, backend="eager")
    assert has_compiled_forward(model)


def test_dynamo_is_loaded_once_something_is_compiled() -> None:
    code = """if True:
        import torch
        from pytest_flopbudget.measure.torch_internals.modules import dynamo_is_loaded
        before = dynamo_is_loaded()
        torch.compile(torch.nn.Identity(), backend="eager")(torch.ones(1))
        print(before, dynamo_is_loaded())
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False True\n"
    assert dynamo_is_loaded() == ("torch._dynamo" in sys.modules)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_packed_weights_can_be_unpacked() -> None:
    model = torch.ao.quantization.quantize_dynamic(
        nn.Sequential(nn.Linear(8, 4)), dtype=torch.qint8
    )
    weight, bias = unpacked(model[0]._packed_params._packed_params)
    assert (weight.shape, bias.shape) == ((4, 8), (4,))


class Opaque:
    """An object of torch's runtime that holds no weights."""

    def _has_method(self, name: str) -> bool:
        return False


def test_what_cannot_be_unpacked_holds_no_tensors() -> None:
    assert unpacked(Opaque()) == ()


def test_hooks_of_all_modules_are_told_from_those_of_one() -> None:
    module = nn.Identity()
    module.register_forward_hook(lambda *_: None)
    assert not has_global_hooks()
    handle = nn.modules.module.register_module_forward_hook(lambda *_: None)
    assert has_global_hooks()
    handle.remove()
    assert not has_global_hooks()
