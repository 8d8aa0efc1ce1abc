"""Containers that refuse to be changed, or do it in a way of their own, are counted and restored."""

from __future__ import annotations

from collections import OrderedDict, deque
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.fx.immutable_collections import immutable_dict, immutable_list
from transformers.utils import ModelOutput

from pytest_flopbudget import profile_model

pytestmark = pytest.mark.usefixtures("brief_timing")

METRICS = ("params", "gflops", "latency")


class Frozen(dict):  # type: ignore[type-arg]
    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise TypeError("frozen")

    update = clear = pop = setdefault = copy = __setitem__ = __delitem__ = _refuse


class Counted(list):  # type: ignore[type-arg]
    def extend(self, values: Any) -> None:
        raise TypeError("one at a time")


class Bounded(deque):  # type: ignore[type-arg]
    def __init__(self, size: int, *, first: Any) -> None:
        super().__init__([first], maxlen=size)


class Moved(OrderedDict):  # type: ignore[type-arg]
    """Its order is not that in which the keys came."""

    def __init__(self, value: Any) -> None:
        super().__init__(value=value, other=None)
        self.move_to_end("value")


HOLDERS = {
    "frozen dict": lambda value: Frozen(value=value),
    "fx dict": lambda value: immutable_dict(value=value),
    "fx list": lambda value: immutable_list([value]),
    "list": lambda value: Counted([value]),
    "deque": lambda value: Bounded(2, first=value),
    "ordered dict": Moved,
    "model output": lambda value: ModelOutput(value=value),
}


class Scaled(nn.Module):
    def __init__(self, holder: Any) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.held = holder

    def forward(self, rows: Tensor, held: Any = None) -> Tensor:
        held = self.held if held is None else held
        held = held.holder if isinstance(held, SimpleNamespace) else held
        return self.linear(rows) * (held["value"] if isinstance(held, dict) else held[0])


@pytest.mark.parametrize("where", ["attribute", "inside of an object", "input"])
@pytest.mark.parametrize("kind", HOLDERS)
def test_a_model_that_holds_one(kind: str, where: str) -> None:
    value = torch.ones(4)
    holder = HOLDERS[kind](value)
    held = SimpleNamespace(holder=holder) if where == "inside of an object" else holder
    model = Scaled(None if where == "input" else held)
    args = (torch.zeros(1, 4), held) if where == "input" else (torch.zeros(1, 4),)
    before = list(holder.items()) if isinstance(holder, dict) else list(holder)
    assert profile_model(model, args, metrics=METRICS).flops == 2 * 4 * 4
    after = list(holder.items()) if isinstance(holder, dict) else list(holder)
    assert [id(x[1] if isinstance(x, tuple) else x) for x in after] == [
        id(x[1] if isinstance(x, tuple) else x) for x in before
    ]
    assert value.device.type == "cpu"
    model(*args)
