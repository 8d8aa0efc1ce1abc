"""Operators that take functions, and subclasses of tensors that forward makes: none is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from torch.utils._python_dispatch import TorchDispatchMode

from pytest_flopbudget import profile_model, register_flop_formula, unregister_flop_formula
from tests.measure.helpers import Fn

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("brief_timing")

ONCE = 2 * 2 * 4 * 4
SEEN = pytest.mark.skipif(
    not hasattr(TorchDispatchMode, "supports_higher_order_operators"),
    reason="this torch does not let a mode see higher-order operators",
)
HOPS = torch.ops.higher_order


def weighted(forward: Callable[[Any, Tensor], Any]) -> Fn:
    return Fn(lambda self, rows: forward(self.weight, rows), weight=nn.Parameter(torch.ones(4, 4)))


def cond(weight: Tensor, rows: Tensor) -> Any:
    return HOPS.cond(True, lambda rows: (rows @ weight,), lambda rows: (rows,), (rows,))[0]


def while_loop(weight: Tensor, rows: Tensor) -> Any:
    return HOPS.while_loop(
        lambda step, _: step < 3,
        lambda step, rows: (step + 1, rows @ weight),
        (torch.tensor(0), rows),
        (),
    )[1]


def scan(weight: Tensor, rows: Tensor) -> Any:
    def combine(carried: Tensor, each: Tensor, weight: Tensor) -> list[Tensor]:
        return [carried @ weight, each * 2]

    carried, doubled = HOPS.scan(combine, [rows], [torch.ones(5, 2)], (weight,))
    assert doubled.shape == (5, 2)
    return carried


def public_map(weight: Tensor, rows: Tensor) -> Any:
    from torch._higher_order_ops.map import map as over_rows

    return over_rows(lambda each, weight: each @ weight, rows.expand(5, 2, 4), weight)


def invoke_subgraph(weight: Tensor, rows: Tensor) -> Any:
    return HOPS.invoke_subgraph(lambda rows, weight: (rows @ weight,), "name", rows, weight)[0]


FORWARD = {  # and how often it multiplies, forward and backward
    "cond": (cond, 1, 1),
    "while_loop": (while_loop, 3, 3 + 2),  # the first rows need no gradient
    "scan": (scan, 5, 5 + 4),
    "map": (public_map, 5, 5),
    "invoke_subgraph": (invoke_subgraph, 1, 1),
}


@pytest.mark.parametrize(("forward", "times", "back"), FORWARD.values(), ids=FORWARD)
@pytest.mark.parametrize("mode", ["inference", "training"])
def test_an_operator_that_takes_functions(
    forward: Callable[[Any, Tensor], Any], times: int, back: int, mode: str
) -> None:
    if torch.__version__ < "2.9" and forward in (scan, invoke_subgraph):
        pytest.skip("an older torch has other arguments")
    pytest.importorskip("torch._dynamo")  # whose first import, in the middle, ends a try
    if not hasattr(HOPS, forward.__name__) and forward is not public_map:
        pytest.skip(f"this torch has no `{forward.__name__}`")
    profile = profile_model(weighted(forward), torch.ones(2, 4), mode=mode)
    assert (profile.uncounted, profile.counted_on) == ((), "meta")
    assert profile.flops == ONCE * (times + back * (mode == "training"))


def test_a_condition_on_a_value_is_data_dependent() -> None:
    def forward(weight: Tensor, rows: Tensor) -> Any:
        return HOPS.cond(rows.sum() > 7, lambda x: (x @ weight @ weight,), lambda x: (x,), (rows,))

    profile = profile_model(weighted(forward), torch.ones(2, 4), mode="training")
    assert profile.forward_flops == 2 * ONCE
    assert (profile.counted_on, profile.data_dependent) == ("real", True)


@SEEN
def test_memory_of_an_operator_that_takes_functions() -> None:
    profile = profile_model(weighted(invoke_subgraph), torch.ones(2, 4), metrics=["memory"])
    assert profile.memory_bytes == 2 * 4 * 4


@SEEN
def test_a_formula_goes_before_what_an_operator_is_made_of() -> None:
    @register_flop_formula("higher_order::cond")
    def formula(*_: Any, out_shape: Any) -> int:
        return 7

    try:
        profile = profile_model(weighted(cond), torch.ones(2, 4))
        assert (profile.flops, profile.uncounted) == (7, ())
    finally:
        unregister_flop_formula("higher_order::cond")


class Plain(torch.Tensor):
    """A subclass without anything of its own."""


SUBCLASSES: dict[str, Callable[[Tensor, Tensor], Any]] = {
    "constructor": lambda weight, rows: rows @ Plain(torch.ones(4, 4)) @ weight,
    "of numbers": lambda weight, rows: rows @ Plain([[1.0] * 4] * 4) @ weight,
    "of a size": lambda weight, rows: rows @ Plain(4, 4) @ weight,
    "as_subclass": lambda weight, rows: rows.as_subclass(Plain) @ weight @ weight,
}


@pytest.mark.parametrize("forward", SUBCLASSES.values(), ids=SUBCLASSES)
@pytest.mark.parametrize("mode", ["inference", "training"])
def test_a_subclass_that_forward_makes(forward: Callable[[Tensor, Tensor], Any], mode: str) -> None:
    metrics = ("gflops", "latency", "memory")
    profile = profile_model(weighted(forward), torch.ones(2, 4), mode=mode, metrics=metrics)
    assert (profile.forward_flops or profile.flops, profile.uncounted) == (2 * ONCE, ())
    assert "__new__" not in vars(torch.Tensor)
    assert type(Plain([1.0])) is Plain


def test_a_causal_bias() -> None:
    from torch.nn.attention.bias import causal_lower_right

    def forward(weight: Tensor, rows: Tensor) -> Any:
        query, key = rows.expand(1, 1, 2, 4), weight[:3].expand(1, 1, 3, 4)
        bias = causal_lower_right(2, 3)
        return scaled_dot_product_attention(query, key, key, attn_mask=bias)

    profile = profile_model(weighted(forward), torch.ones(2, 4), mode="training")
    assert (profile.forward_flops, profile.uncounted) == (2 * 2 * 3 * 2 * 4, ())


def test_one_without_a_plain_form_runs_by_its_kernel() -> None:
    from torch._higher_order_ops.out_dtype import out_dtype

    def forward(rows: Tensor) -> Any:
        return out_dtype(torch.ops.aten.mm.default, torch.int32, rows, rows.T)

    profile = profile_model(Fn(forward), torch.ones(2, 4, dtype=torch.int8))
    assert (profile.flops, profile.uncounted) == (2 * 2 * 2 * 4, ())


@pytest.mark.parametrize("first", ["subclass", "gradients"])
def test_a_subclass_in_a_model_that_differentiates(first: str) -> None:
    def forward(self: Fn, rows: Tensor) -> Any:
        if first == "subclass":
            Plain([1.0])
        [gradient] = torch.autograd.grad((rows @ self.weight).sum(), self.weight)
        return gradient @ Plain(torch.ones(4, 4))

    model = Fn(forward, weight=nn.Parameter(torch.ones(4, 4)))
    assert profile_model(model, torch.ones(2, 4)).flops == 2 * ONCE + 2 * 4 * 4 * 4
