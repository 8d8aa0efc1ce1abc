"""A model reaches others by functions, methods and globals: they too are as before."""

from __future__ import annotations

import functools
import gc
import itertools
import types
import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pytest_flopbudget import profile_model
from tests.measure.helpers import Fn, x

pytestmark = pytest.mark.usefixtures("brief_timing")

ONCE = 2 * 3 * 4 * 4
METRICS = [("gflops",), ("gflops", "latency"), ("memory",)]


class Net(nn.Module):
    """A module with all that a call changes."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.norm, self.calls = nn.Linear(4, 4), nn.BatchNorm1d(4), 0

    def forward(self, rows: Tensor) -> Any:
        self.calls += 1
        return self.norm(self.layer(rows))

    def is_untouched(self) -> bool:
        return (
            self.calls == int(self.norm.num_batches_tracked) == 0
            and not self.norm.running_mean.any()
            and all(p.grad is None and not p.is_meta for p in self.parameters())
        )


NET, HOLDER = Net(), {"nets": [Net()]}


def call_net(rows: Tensor) -> Any:
    return NET(rows)


class Helper:
    """No module, but it has one."""

    def __init__(self, net: Net) -> None:
        self.net = net

    def run(self, rows: Tensor) -> Any:
        return self.net(rows)


HELD: dict[str, Callable[[Net], Any]] = {
    "method": lambda net: net.forward,
    "call": lambda net: net.__call__,
    "method of a helper": lambda net: Helper(net).run,
    "partial": functools.partial,
    "partial with a keyword": lambda net: functools.partial(lambda rows, of: of(rows), of=net),
    "closure": lambda net: lambda rows: net(rows),
    "closure of a list": lambda net: _enclosing([net]),
    "default": lambda net: _with_default(net),
    "attribute of a function": lambda net: _with_attribute(net),
    "decorated": lambda net: functools.wraps(net.forward)(lambda rows: net(rows)),
}


def _with_default(net: Net) -> Callable[[Tensor], Any]:
    def run(rows: Tensor, *, of: Net = net) -> Any:
        return of(rows)

    return run


def _enclosing(nets: list[Net]) -> Callable[[Tensor], Any]:
    return lambda rows: nets[0](rows)


def _with_attribute(net: Net) -> Callable[[Tensor], Any]:
    def run(rows: Tensor) -> Any:
        return run.net(rows)  # type: ignore[attr-defined]

    run.net = net  # type: ignore[attr-defined]
    return run


def calling(net: Net, held: Callable[[Net], Any]) -> Fn:
    return Fn(lambda self, rows: self.held(rows), held=held(net))


def through(held: Callable[[Net], Any], get: Callable[[Any], Net]) -> Callable[[Net], Fn]:
    return lambda net: Fn(lambda self, rows: get(self.held)(rows), held=held(net))


MODELS: dict[str, Callable[[Net], nn.Module]] = {
    **{name: functools.partial(calling, held=held) for name, held in HELD.items()},
    "weak reference": through(weakref.ref, lambda held: held()),
    "weak set": through(lambda net: weakref.WeakSet([net]), lambda held: next(iter(held))),
    "mapping proxy": through(
        lambda net: types.MappingProxyType({"net": net}), lambda held: held["net"]
    ),
    "iterator": through(lambda net: iter([net] * 10_000), next),
    "cycle": through(lambda net: itertools.cycle([net]), next),
    "generator": through(lambda net: (net for _ in itertools.count()), next),
    "function of the model": lambda net: Fn(lambda rows: net(rows)),
}


@pytest.mark.parametrize("mode", ["inference", "training"])
@pytest.mark.parametrize("metrics", METRICS, ids="-".join)
@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_a_module_that_is_held_indirectly(
    make: Callable[[Net], nn.Module], metrics: tuple[str, ...], mode: str
) -> None:
    net = Net()
    profile = profile_model(make(net), torch.randn(3, 4), mode=mode, metrics=metrics)
    assert net.is_untouched()
    if "gflops" in metrics:
        assert (profile.forward_flops or profile.flops, profile.uncounted) == (ONCE, ())


GLOBALS: dict[str, tuple[Callable[[Tensor], Any], Net]] = {
    "module": (lambda rows: NET(rows), NET),
    "function": (lambda rows: call_net(rows), NET),
    "in a function that forward makes": (lambda rows: next(NET(one) for one in [rows]), NET),
    "in a container": (lambda rows: HOLDER["nets"][0](rows), HOLDER["nets"][0]),
}


@pytest.mark.parametrize("mode", ["inference", "training"])
@pytest.mark.parametrize("metrics", METRICS, ids="-".join)
@pytest.mark.parametrize(("forward", "net"), GLOBALS.values(), ids=GLOBALS)
def test_a_global_that_forward_names(
    forward: Callable[[Tensor], Any], net: Net, metrics: tuple[str, ...], mode: str
) -> None:
    profile_model(Fn(forward), torch.randn(3, 4), mode=mode, metrics=metrics)
    assert net.is_untouched()


@pytest.mark.parametrize("metrics", METRICS, ids="-".join)
def test_weights_in_a_list_that_only_a_function_knows(metrics: tuple[str, ...]) -> None:
    weights = [torch.ones(4, 4, requires_grad=True)]

    def forward(rows: Tensor) -> Tensor:
        weights[0].data.mul_(2)
        return rows @ weights[0]

    profile_model(Fn(forward), x(3, 4), mode="training", metrics=metrics)
    assert weights[0].grad is None
    assert weights[0].tolist() == torch.ones(4, 4).tolist()


def test_what_a_hook_notes_for_its_owner_stays_with_it() -> None:
    """A list that a function fills is no state of the model: tests look into such lists."""
    shapes = []
    layer = nn.Linear(4, 4)
    layer.register_forward_hook(lambda _, given, output: shapes.append(output.shape))
    profile_model(layer, x(3, 4))
    assert shapes == [(3, 4)]


def test_a_global_that_is_bound_later() -> None:
    space: dict[str, Any] = {"LATE": None}
    exec("def forward(rows): return LATE(rows)", space)  # noqa: S102
    space["LATE"] = Net()
    profile_model(Fn(space["forward"]), torch.randn(3, 4), mode="training", metrics=("latency",))
    assert space["LATE"].is_untouched()
    space["LATE"] = Net()
    profile_model(Fn(space["forward"]), torch.randn(3, 4), mode="training", metrics=("latency",))
    assert space["LATE"].is_untouched()


def test_a_global_with_the_name_of_an_attribute_is_another_one() -> None:
    space: dict[str, Any] = {"layer": nn.Linear(1, 1, device="meta")}
    exec("def forward(self, rows): return self.layer(rows) if rows.sum() < 1 else rows", space)  # noqa: S102
    model = Fn(space["forward"], layer=nn.Linear(4, 4))
    assert profile_model(model, x(3, 4)).counted_on == "real"


def test_a_model_that_is_gone_is_not_kept() -> None:
    model = MODELS["closure"](Net())
    profile_model(model, torch.randn(3, 4), metrics=("gflops", "latency"))
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


def test_a_lazy_parameter_that_a_hook_has_by_default() -> None:
    layer = nn.LazyLinear(4)
    layer.register_forward_hook(lambda *_, weight=layer.weight: None)
    metrics = ("gflops", "latency")
    assert profile_model(nn.Sequential(layer), x(3, 4), metrics=metrics).flops == ONCE
