"""One call of a model: its inputs, how they are written down, and what cannot be called."""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pytest_flopbudget import profile_model
from pytest_flopbudget.errors import MeasureError, SettingsError
from pytest_flopbudget.measure.call import ModelCall, set_mode
from tests.measure.helpers import Fn, mlp, x

pytestmark = pytest.mark.usefixtures("brief_timing")

ONCE = 2 * 4 * 8 * 16
Pair = namedtuple("Pair", "a b")


def described(*args: Any, **kwargs: Any) -> tuple[str, ...]:
    return ModelCall(args, kwargs, training=False).describe()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (x(1, 3, 640, 640), "float32[1, 3, 640, 640]"),
        (torch.zeros(2, 5, dtype=torch.long), "int64[2, 5]"),
        (torch.zeros(2, dtype=torch.bool), "bool[2]"),
        (torch.tensor(1.0, dtype=torch.bfloat16), "bfloat16[]"),
        (x(2, device="meta"), "float32[2]"),
        (None, "None"), (True, "True"), (3, "3"), (0.5, "0.5"), ("nearest", "'nearest'"),
        ([x(1), 2], "[float32[1], 2]"), ((x(1), None), "[float32[1], None]"),
        ({"ids": x(1), "n": 1}, "{ids: float32[1], n: 1}"),
        ({"a": [x(1), {"b": x(2)}]}, "{a: [float32[1], {b: float32[2]}]}"),
        (nn.Identity(), "Identity"), ([], "[]"), ({}, "{}"),
    ],
)  # fmt: skip
def test_how_an_input_is_described(value: Any, text: str) -> None:
    assert described(value) == (text,)
    assert described(mask=value) == (f"mask={text}",)


def test_arguments_come_before_keywords() -> None:
    assert described(x(1), 2, b=None, a=x(3)) == ("float32[1]", "2", "a=float32[3]", "b=None")


@dataclass
class Scaled:
    rows: Tensor
    scale: float


def test_a_dataclass_shows_what_it_holds() -> None:
    assert described(Scaled(x(2, 3), 0.5)) == ("Scaled(rows=float32[2, 3], scale=0.5)",)
    assert described(Scaled) == ("type",)


def test_in_a_profile() -> None:
    model = Fn(lambda self, rows, *, mask: self.layer(rows), layer=nn.Linear(8, 16))
    profile = profile_model(model, (x(4, 8),), {"mask": None})
    assert profile.inputs == ("float32[4, 8]", "mask=None")
    assert profile.flops == ONCE


@pytest.mark.parametrize("args", [x(4, 8), (x(4, 8),)], ids=["tensor", "tuple"])
def test_one_tensor_or_a_tuple(args: Any) -> None:
    assert profile_model(nn.Linear(8, 16), args).flops == ONCE


@pytest.mark.parametrize(
    ("example", "inputs"),
    [
        (x(4, 8), ("float32[4, 8]",)),
        ((x(4, 8),), ("float32[4, 8]",)),
        ({"rows": x(4, 8)}, ("rows=float32[4, 8]",)),
    ],
    ids=["tensor", "tuple", "dict"],
)
def test_example_input_array(example: Any, inputs: tuple[str, ...]) -> None:
    def forward(self: Any, rows: Tensor) -> Tensor:
        return self.layer(rows)

    model = Fn(forward, layer=nn.Linear(8, 16))
    model.example_input_array = example
    profile = profile_model(model)
    assert (profile.inputs, profile.flops) == (inputs, ONCE)


def packed() -> Any:
    return nn.utils.rnn.pack_padded_sequence(x(5, 2, 8), torch.tensor([5, 3]))


@pytest.mark.parametrize(
    ("model", "given", "flops"),
    [
        (Fn(lambda self, pair: self.layer(pair.a), layer=nn.Linear(8, 16)), Pair(x(4, 8), 1), ONCE),
        (nn.RNN(8, 4), packed(), 8 * 2 * 4 * (8 + 4)),  # 5 + 3 steps
    ],
    ids=["namedtuple", "PackedSequence"],
)  # fmt: skip
@pytest.mark.parametrize("as_example", [False, True])
def test_a_tuple_with_a_name_is_one_argument(
    model: nn.Module, given: Any, flops: int, *, as_example: bool
) -> None:
    if as_example:
        model.example_input_array = given
    assert profile_model(model, *([] if as_example else [given])).flops == flops


def test_inputs_come_before_example_input_array() -> None:
    model = nn.Linear(8, 16)
    model.example_input_array = x(100, 8)
    assert profile_model(model, x(4, 8)).flops == ONCE
    assert profile_model(model, (), {"input": x(4, 8)}).flops == ONCE


def test_a_model_without_inputs() -> None:
    model = Fn(lambda self: self.layer(torch.zeros(4, 8)), layer=nn.Linear(8, 16))
    profile = profile_model(model)
    assert (profile.inputs, profile.flops) == ((), ONCE)


def test_tensors_anywhere_in_the_inputs() -> None:
    call = ModelCall((x(1), [x(2), {"a": (x(3), "b")}], Pair(x(4), 1)), {"c": x(5)}, training=False)
    assert [t.numel() for t in call.tensors()] == [1, 2, 3, 4, 5]
    doubled = call.mapped(lambda t: torch.cat((t, t)))
    assert [t.numel() for t in doubled.tensors()] == [2, 4, 6, 8, 10]
    assert isinstance(doubled.args[2], Pair)
    assert [t.numel() for t in call.tensors()] == [1, 2, 3, 4, 5]


class Batch:
    """A holder of tensors that pytree does not know, as users write them."""

    def __init__(self, rows: Tensor) -> None:
        self.rows = rows


@pytest.mark.parametrize("metrics", [("gflops",), ("gflops", "latency")])
def test_an_object_that_holds_tensors_as_input(metrics: tuple[str, ...]) -> None:
    model = Fn(lambda self, batch: self.layer(batch.rows), layer=nn.Linear(8, 16))
    profile = profile_model(model, (Batch(x(4, 8)),), metrics=metrics)
    assert (profile.flops, profile.inputs) == (ONCE, ("Batch",))


def once_or_twice(self: Fn, one: Tensor, other: Tensor) -> Tensor:
    self.note(1 if one is other else 2)
    if one.sum() < 0:  # reads a value: the model can only run for real
        raise ValueError
    return self.layer(one) if one is other else self.layer(one) + self.layer(other)


@pytest.mark.parametrize(("twice", "runs"), [(True, 1), (False, 2)])
@pytest.mark.parametrize("in_an_object", [False, True])
def test_a_tensor_that_is_given_twice_is_one_tensor_in_every_run(
    *, twice: bool, runs: int, in_an_object: bool
) -> None:
    def forward(self: Fn, one: Any, other: Any) -> Tensor:
        return once_or_twice(self, getattr(one, "rows", one), other)

    ran: set[int] = set()
    model = Fn(forward, layer=nn.Linear(8, 16), note=lambda times: ran.add(times))
    rows = x(4, 8)
    other = rows if twice else x(4, 8)
    args = (Batch(rows) if in_an_object else rows, other)
    profile = profile_model(model, args, metrics=("gflops", "latency", "memory"))
    assert (profile.flops, profile.counted_on) == (runs * ONCE, "real")
    assert ran == {runs}


def test_an_input_that_the_model_holds_itself_is_the_one_that_it_holds() -> None:
    def forward(self: Fn, rows: Tensor) -> Tensor:
        rows.sum().item()
        return self.layer(rows) if rows is self.rows else rows

    rows = x(4, 8)
    model = Fn(forward, layer=nn.Linear(8, 16), rows=rows)
    assert profile_model(model, rows, metrics=("gflops", "latency")).flops == ONCE


@pytest.mark.parametrize("model", [None, 3, "resnet18"])
def test_what_is_no_module(model: Any) -> None:
    with pytest.raises(MeasureError, match=r"expected a `torch.nn.Module`") as caught:
        profile_model(model, x(4, 8))
    assert type(model).__name__ in caught.value.sentence


@pytest.mark.parametrize(
    "given",
    [{"engine": "fvcore"}, {"mode": "train"}, {"metrics": ("flops",)}, {"threads": 0},
     {"metrics": ()}],
    ids=str,
)  # fmt: skip
def test_a_wrong_setting(given: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=next(iter(given))):
        profile_model(mlp(), x(4, 8), **given)


@pytest.mark.parametrize(
    ("root", "child", "training", "expected"),
    [
        (True, False, True, (True, False)),  # frozen batch norm stays frozen
        (False, False, True, (True, True)),
        (True, True, False, (False, False)),
        (False, True, False, (False, False)),
    ],
)
def test_set_mode(*, root: bool, child: bool, training: bool, expected: tuple[bool, bool]) -> None:
    model = nn.Sequential(nn.BatchNorm1d(2)).train(root)
    model[0].train(child)
    set_mode(model, training=training)
    assert (model.training, model[0].training) == expected
