"""What the dispatcher must do for us: hand over operators, and say what they are made of."""

from __future__ import annotations

import subprocess
import sys
from threading import Thread
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from pytest_flopbudget.measure.torch_internals.dispatch import (
    DispatchMode,
    HigherOrderOperator,
    OpOverload,
    OpOverloadPacket,
    dispatch_keys,
    dispatch_modes,
    function_modes,
    has_kernel,
    has_kernel_for,
    overloads_of,
    qualified_name,
    run_on_cpu,
    schema_of,
    without_dispatch_modes,
)
from pytest_flopbudget.measure.torch_internals.higher_order import eager_kernel

aten = torch.ops.aten


class Names(DispatchMode):
    """Notes the names of the operators that it is handed."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.append(func.name())
        return func(*args, **(kwargs or {}))


def test_a_mode_is_handed_each_operator() -> None:
    with Names() as mode:
        torch.ones(2).add(1)
    assert mode.names == ["aten::ones", "aten::add.Tensor"]


def test_a_mode_costs_no_import_of_dynamo() -> None:
    code = """if True:
        import sys, torch
        from pytest_flopbudget.measure.torch_internals.dispatch import DispatchMode
        class Mode(DispatchMode):
            def __torch_dispatch__(self, func, types, args=(), kwargs=None):
                return func(*args, **(kwargs or {}))
        with Mode():
            torch.ones(2) + 1
        print("torch._dynamo" in sys.modules)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.skipif(
    not hasattr(torch.utils._python_dispatch.TorchDispatchMode, "supports_higher_order_operators"),
    reason="this torch does not let a mode see higher-order operators",
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_a_mode_is_handed_operators_that_take_functions_and_may_run_their_kernel() -> None:
    class InsideOfOthers(Names):
        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            if isinstance(func, HigherOrderOperator):
                self.names.append(func.name())
                kernel = eager_kernel(func)
                assert kernel is not None
                with self:
                    return kernel(*args, **(kwargs or {}))
            return super().__torch_dispatch__(func, types, args, kwargs)

    def is_below_2(number: Tensor) -> Tensor:
        return number < 2

    def next_one(number: Tensor) -> tuple[Tensor]:
        return (number + 1,)

    start = torch.tensor(0)
    with InsideOfOthers() as mode:
        torch.ops.higher_order.while_loop(is_below_2, next_one, (start,), ())
    assert mode.names[0] == "while_loop"
    assert mode.names.count("aten::add.Tensor") == 2


def test_an_operator_that_takes_functions_and_has_no_eager_kernel() -> None:
    class WithoutKernels(HigherOrderOperator):
        def __init__(self) -> None:
            super().__init__("flopbudget_test_without_kernels")

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            return super().__call__(*args, **kwargs)

    assert eager_kernel(WithoutKernels()) is None


def test_how_many_modes_see_this_thread() -> None:
    seen: list[int] = [len(dispatch_modes())]
    with Names(), Names():
        seen.append(len(dispatch_modes()))
        thread = Thread(target=lambda: seen.append(len(dispatch_modes())))
        thread.start()
        thread.join()
    assert seen == [0, 2, 0]


@pytest.mark.parametrize("other", [
    torch.ones(2).to_sparse(), torch.ones(2, dtype=torch.complex64).conj(), torch.ones(2, device="meta"),
], ids=["sparse", "conjugated", "meta"])  # fmt: skip
def test_keys_tell_tensors_of_another_form_apart(other: Tensor) -> None:
    """As a number, which can be compared and hashed under every version."""
    one, same, apart = (
        dispatch_keys(tensor).raw_repr() for tensor in (torch.ones(2), torch.zeros(3, 3), other)
    )
    assert one == same != apart


def test_the_schema_says_what_is_written() -> None:
    schema = schema_of(aten.add_.Tensor)
    assert schema.name == "aten::add_"
    assert [a.alias_info is not None and a.alias_info.is_write for a in schema.arguments] == [
        True, False, False,
    ]  # fmt: skip


def test_all_overloads_of_an_operator() -> None:
    found = list(overloads_of(aten.mm.default))
    assert {aten.mm.default, aten.mm.out} <= set(found)
    assert all(isinstance(overload, OpOverload) for overload in found)


def test_the_qualified_name_of_an_operator() -> None:
    assert isinstance(aten.mm, OpOverloadPacket)
    assert qualified_name(aten.mm) == "aten::mm"
    assert [qualified_name(other) for other in (torch.mm, "aten::mm", None)] == ["", "", ""]


def test_which_kernels_an_operator_has() -> None:
    made_of_others = "CompositeImplicitAutograd"
    assert has_kernel_for("aten::linear", made_of_others)  # of a transposition and a product
    assert not has_kernel_for("aten::mm", made_of_others)
    assert has_kernel_for("aten::mm", "CPU")


def test_an_operator_that_the_dispatcher_does_not_know_has_no_kernel() -> None:
    assert has_kernel("aten::mm")
    assert not has_kernel("flopbudget_test::unknown")


def test_the_kernel_of_the_cpu_shows_its_operators_to_a_mode() -> None:
    rows, weight = torch.ones(4, 8), torch.ones(24, 8)
    attention = aten._native_multi_head_attention.default
    args = (rows[None],) * 3, 8, 2, weight, torch.ones(24), torch.ones(8, 8), torch.ones(8)
    with Names() as mode:
        run_on_cpu(attention, (*args[0], *args[1:]), {"need_weights": False})
    assert "aten::bmm" in mode.names
    assert "aten::_native_multi_head_attention" not in mode.names


def test_no_mode_sees_what_runs_without_them() -> None:
    with DispatchMode(), without_dispatch_modes():
        assert len(dispatch_modes()) == 0


def test_the_modes_that_see_functions_but_for_that_of_a_default_device() -> None:
    class Mode(TorchFunctionMode):
        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            return func(*args, **(kwargs or {}))

    assert function_modes() == []
    with Mode() as outer, torch.device("cpu"), Mode() as inner:
        assert function_modes() == [outer, inner]
    assert function_modes() == []


def test_a_default_device_that_is_set_is_no_such_mode_either() -> None:
    torch.set_default_device("cpu")
    try:
        assert function_modes() == []
    finally:
        torch.set_default_device(None)
