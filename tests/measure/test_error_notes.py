"""Which layer was running when a model raised, without pytest."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from pytest_flopbudget import profile_model


class Raises(nn.Module):
    def __init__(self, kind: type[BaseException] = ValueError, after: int = 0) -> None:
        super().__init__()
        self.kind, self.after, self.calls = kind, after, 0

    def forward(self, x: Any, *others: Any, **kwargs: Any) -> Any:
        if self.calls >= self.after:
            raise self.kind
        self.calls += 1
        return x


class Calls(nn.Module):
    """Calls its child in some way."""

    def __init__(self, child: nn.Module, call: Any) -> None:
        super().__init__()
        self.child, self.call = child, call

    def forward(self, x: Any) -> Any:
        return self.call(self.child, x)


def notes(model: nn.Module, kind: type[BaseException] = ValueError, **settings: Any) -> list[str]:
    with pytest.raises(kind) as raised:
        profile_model(model, torch.zeros(2, 3), **settings)
    return getattr(raised.value, "__notes__", [])


def wrapped(child: nn.Module, x: Any) -> Any:
    try:
        return child(x)
    except ValueError as error:
        raise KeyError from error


@pytest.mark.parametrize("kind", [ValueError, RuntimeError, pytest.fail.Exception])
@pytest.mark.parametrize(
    ("call", "note"),
    [
        (lambda child, x: child(x), "in layer `0.child` (Raises), on inputs 2x3"),
        (
            lambda child, x: child(x, x[0], k=[x]),
            "in layer `0.child` (Raises), on inputs 2x3, 3, 2x3",
        ),
        (lambda child, x: child(x.sum()), "in layer `0.child` (Raises), on inputs ()"),
        (lambda child, _: child(None), "in layer `0.child` (Raises)"),
        (lambda child, x: child.forward(x), "in layer `0.child` (Raises)"),
    ],
)
def test_the_innermost_layer_and_its_inputs(
    kind: type[BaseException], call: Any, note: str
) -> None:
    assert notes(nn.Sequential(Calls(Raises(kind), call)), kind) == [note]


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_who_stops_a_run_is_told_where_without_a_note(kind: type[BaseException]) -> None:
    assert notes(Raises(kind), kind) == []


def test_the_inputs_are_those_of_the_call_that_raised() -> None:
    model = Calls(Raises(after=1), lambda child, x: child(child(x)[:1]))
    assert notes(model) == ["in layer `child` (Raises), on inputs 1x3"]


def test_an_error_made_of_another_is_that_of_the_layer_that_made_it() -> None:
    model = Calls(Raises(), wrapped)
    assert notes(model, KeyError) == ["in layer `(model)` (Calls), on inputs 2x3"]


def test_an_error_that_only_timing_meets() -> None:
    def allocate(child: nn.Module, x: Any) -> Any:
        return child(x) + torch.empty(2**52)

    model = Calls(nn.Identity(), allocate)
    metrics = ("params", "gflops", "latency")
    assert notes(model, RuntimeError, metrics=metrics) == [
        "in layer `(model)` (Calls), on inputs 2x3"
    ]


@pytest.mark.parametrize(
    ("engine", "mode"),
    [("dispatch", "inference"), ("dispatch", "training"), ("thop", "inference")],
)
def test_under_every_engine_and_mode(engine: str, mode: str) -> None:
    model = nn.Sequential(nn.Linear(3, 3), Raises())
    assert notes(model, engine=engine, mode=mode) == ["in layer `1` (Raises), on inputs 2x3"]
