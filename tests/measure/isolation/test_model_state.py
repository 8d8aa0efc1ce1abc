"""Nothing is left behind: after a measurement all is as before, whatever happened meanwhile."""

from __future__ import annotations

import copy
import io
import random
import sys
from collections import OrderedDict, deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pytest_flopbudget import profile_model
from pytest_flopbudget.measure.isolation.model_state import SavedState, restored_after
from pytest_flopbudget.measure.isolation.tensor_contents import contents_restored
from tests.measure.helpers import Fn, mlp, x

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("brief_timing")

SETTINGS = [
    {"engine": "dispatch", "mode": "inference"},
    {"engine": "dispatch", "mode": "training"},
    {"engine": "thop", "mode": "inference"},
    {"engine": "yolov5", "mode": "inference"},
]
WITH_LATENCY = ("params", "gflops", "latency")


@pytest.fixture(params=SETTINGS, ids=lambda settings: f"{settings['engine']}-{settings['mode']}")
def settings(request: pytest.FixtureRequest) -> dict[str, str]:
    return dict(request.param)


@pytest.fixture(params=["meta", "real"])
def reads_values(request: pytest.FixtureRequest) -> bool:
    """Whether the model reads values, so that it is counted for real."""
    return request.param == "real"


def picture(model: nn.Module) -> dict[str, Any]:
    """All that a module is, as far as one can compare it."""

    def look(value: Any) -> Any:
        if isinstance(value, Tensor):
            return (id(value), value._version * 0, value.device, value.detach().clone().tolist(),
                    value.requires_grad, None if value.grad is None else id(value.grad))  # fmt: skip
        if isinstance(value, dict):
            return (id(value), type(value), [(key, look(item)) for key, item in value.items()])
        if isinstance(value, list | tuple | deque):
            return (id(value), type(value), [look(item) for item in value])
        if isinstance(value, set):
            return (id(value), value.copy())
        if isinstance(value, nn.Module):
            return id(value)
        if hasattr(value, "__dict__") and type(value).__module__ == __name__:
            return (id(value), look(vars(value)))
        return (id(value), value if isinstance(value, int | float | str | None) else None)

    return {name: look(vars(module)) for name, module in model.named_modules()}


class Full(nn.Module):
    """A model with one of everything that a forward call changes."""

    def __init__(self, reads_values: bool) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), mlp())
        self.frozen = nn.Linear(4, 4).requires_grad_(False)
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))
        self.register_buffer("fleeting", torch.ones(4), persistent=False)
        self.reads_values = reads_values
        self.cache: Tensor | None = None
        self.outputs: list[Tensor] = []
        self.by_name: dict[str, Tensor] = {}

    def forward(self, rows: Tensor) -> Tensor:
        self.steps += 1
        self.fleeting.mul_(2)
        rows = self.body(rows)
        if self.reads_values and rows.sum().item() > 1e30:
            rows = rows * 0
        rows = self.frozen(rows) + torch.rand(4)
        self.cache = rows
        self.outputs.append(rows)
        self.by_name["last"] = rows
        return rows


def test_the_model(settings: dict[str, str], *, reads_values: bool) -> None:
    model = Full(reads_values).train()
    model.body[1].eval()
    model.body[3][0].weight.grad = torch.ones(16, 8)
    before = picture(model)
    profile_model(model, x(4, 8), metrics=WITH_LATENCY, **settings)
    assert picture(model) == before


def test_the_state_dict_loads_into_a_fresh_copy(settings: dict[str, str]) -> None:
    model = Full(reads_values=False)
    fresh = copy.deepcopy(model)
    keys = list(model.state_dict())
    profile_model(model, x(4, 8), **settings)
    assert list(model.state_dict()) == keys
    fresh.load_state_dict(model.state_dict(), strict=True)


def test_the_model_still_runs(settings: dict[str, str]) -> None:
    model = Full(reads_values=False).eval()
    torch.manual_seed(0)
    expected = copy.deepcopy(model)(torch.ones(4, 8))
    profile_model(model, x(4, 8), **settings)
    torch.manual_seed(0)
    assert torch.equal(model(torch.ones(4, 8)), expected)


# When something is raised.


class Mishap(Exception):
    pass


class Fails(Full):
    def __init__(self, reads_values: bool, error: type[BaseException]) -> None:
        super().__init__(reads_values)
        self.error = error

    def forward(self, rows: Tensor) -> Tensor:
        super().forward(rows)
        raise self.error


class FailsInside(Fails):
    """Raises in a layer, below others that are running."""

    def __init__(self, reads_values: bool, error: type[BaseException]) -> None:
        super().__init__(reads_values, error)
        self.body[3][1].register_forward_hook(self.fail)

    def fail(self, *_: Any) -> None:
        raise self.error


class BackwardFails(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, error: type[BaseException]) -> Tensor:
        ctx.error = error
        return rows.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        raise ctx.error


class FailsBackward(Fails):
    def forward(self, rows: Tensor) -> Tensor:
        return BackwardFails.apply(Full.forward(self, rows), self.error)


@pytest.mark.parametrize("error", [Mishap, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("kind", [Fails, FailsInside])
def test_when_forward_raises(
    settings: dict[str, str], kind: type[Fails], error: type[BaseException], *, reads_values: bool
) -> None:
    model = kind(reads_values, error).train()
    before, threads, states = picture(model), torch.get_num_threads(), random_states()
    with pytest.raises(error):
        profile_model(model, x(4, 8), metrics=WITH_LATENCY, **settings)
    assert picture(model) == before
    assert torch.get_num_threads() == threads
    assert random_states() == states


@pytest.mark.parametrize("error", [Mishap, KeyboardInterrupt])
def test_when_backward_raises(error: type[BaseException], *, reads_values: bool) -> None:
    model = FailsBackward(reads_values, error).train()
    before, states = picture(model), random_states()
    with pytest.raises(error):
        profile_model(model, x(4, 8), mode="training", metrics=WITH_LATENCY)
    assert picture(model) == before
    assert random_states() == states


@pytest.mark.parametrize("metrics", [("gflops",), WITH_LATENCY])
def test_when_it_raises_only_in_a_later_call(metrics: tuple[str, ...]) -> None:
    calls: list[int] = []

    def forward(self: Any, rows: Tensor) -> Tensor:
        calls.append(1)
        self.kept.append(rows)
        if len(calls) > 2:
            raise KeyboardInterrupt
        return self.norm(rows)

    model = Fn(forward, norm=nn.BatchNorm1d(8)).train()
    model.kept = []
    before = picture(model)
    if metrics == WITH_LATENCY:
        with pytest.raises(KeyboardInterrupt):
            profile_model(model, x(4, 8), mode="training", metrics=metrics)
    else:
        profile_model(model, x(4, 8), mode="training", metrics=metrics)
    assert picture(model) == before


def test_an_error_of_the_model_is_the_models_own() -> None:
    model = mlp()
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        profile_model(model, x(4, 9))


# Plain attributes.


@dataclass
class Holder:
    tensor: Tensor | None = None
    several: list[Tensor] = field(default_factory=list)
    inner: Holder | None = None


CHANGES: dict[str, tuple[Callable[[], Any], Callable[[Any, Tensor], None]]] = {
    "none-to-tensor": (lambda: None, lambda m, t: setattr(m, "held", t)),
    "tensor-to-tensor": (lambda: torch.ones(2), lambda m, t: setattr(m, "held", t)),
    "tensor-in-place": (lambda: torch.ones(4, 8), lambda m, t: m.held.add_(t)),
    "tensor-to-none": (lambda: torch.ones(2), lambda m, t: setattr(m, "held", None)),
    "deleted": (lambda: torch.ones(2), lambda m, t: vars(m).pop("held", None)),
    "new-name": (lambda: None, lambda m, t: setattr(m, "other", t)),
    "number": (lambda: 1, lambda m, t: setattr(m, "held", m.held + 1)),
    "list-appended": (list, lambda m, t: m.held.append(t)),
    "list-replaced": (lambda: [1, 2], lambda m, t: setattr(m, "held", [t])),
    "list-item": (lambda: [torch.ones(2)], lambda m, t: m.held.__setitem__(0, t)),
    "list-cleared": (lambda: [torch.ones(2)], lambda m, t: m.held.clear()),
    "nested-list": (lambda: [[torch.ones(2)]], lambda m, t: m.held[0].append(t)),
    "dict": (dict, lambda m, t: m.held.update(a=t)),
    "ordered-dict": (OrderedDict, lambda m, t: m.held.update(a=t)),
    "dict-of-lists": (lambda: {"a": []}, lambda m, t: m.held["a"].append(t)),
    "deque": (lambda: deque([torch.ones(2)], maxlen=1), lambda m, t: m.held.append(t)),
    "set": (set, lambda m, t: m.held.add(tuple(t.shape))),
    "tuple": (lambda: (torch.ones(2), 1), lambda m, t: setattr(m, "held", (t, 2))),
    "list-in-tuple": (lambda: ([torch.ones(2)], 1), lambda m, t: m.held[0].append(t)),
    "object": (Holder, lambda m, t: setattr(m.held, "tensor", t)),
    "list-in-object": (Holder, lambda m, t: m.held.several.append(t)),
    "object-in-object": (
        lambda: Holder(inner=Holder()), lambda m, t: setattr(m.held.inner, "tensor", t),
    ),
    "object-in-list": (lambda: [Holder()], lambda m, t: setattr(m.held[0], "tensor", t)),
    "parameter-replaced": (
        lambda: nn.Parameter(torch.ones(2)),
        lambda m, t: setattr(m, "held", nn.Parameter(torch.zeros(2))),
    ),
    "module-added": (lambda: None, lambda m, t: m.add_module("more", nn.Linear(2, 2))),
    "module-in-a-list": (lambda: [nn.Linear(2, 2)], lambda m, t: setattr(m.held[0], "seen", t)),
    "buffer-registered": (lambda: None, lambda m, t: m.register_buffer("more", t)),
    "requires-grad": (
        lambda: nn.Parameter(torch.ones(2)), lambda m, t: m.held.requires_grad_(False),
    ),
    "training-flag": (lambda: nn.Linear(2, 2), lambda m, t: m.held.train(not m.held.training)),
    "hook-registered": (
        lambda: nn.Linear(2, 2), lambda m, t: m.held.register_forward_hook(lambda *_: None),
    ),
    "forward-replaced": (lambda: None, lambda m, t: setattr(m, "forward", m.forward)),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_what_forward_sets(
    request: pytest.FixtureRequest, change: str, settings: dict[str, str], *, reads_values: bool
) -> None:
    make, apply = CHANGES[change]
    if change == "module-added" and settings["engine"] != "dispatch":
        pytest.skip("THOP itself counts no model that adds a module")

    def forward(self: Any, rows: Tensor) -> Tensor:
        rows = self.layer(rows)
        if reads_values and rows.sum().item() > 1e30:
            rows = rows * 0
        apply(self, rows)
        return rows

    model = Fn(forward, layer=nn.Linear(8, 8))
    model.held = make()
    before = picture(model)
    profile_model(model, x(4, 8), metrics=WITH_LATENCY, **settings)
    assert picture(model) == before


class Slots:
    __slots__ = ("tensor",)

    def __init__(self) -> None:
        self.tensor: Any = None


def test_an_object_with_slots() -> None:
    def forward(self: Any, rows: Tensor) -> Tensor:
        self.held.tensor = self.layer(rows)
        return self.held.tensor

    model = Fn(forward, layer=nn.Linear(8, 8))
    model.held = Slots()
    profile_model(model, x(4, 8))
    assert model.held.tensor is None


def test_an_attribute_of_the_class_is_not_left_on_the_model() -> None:
    class Counter(nn.Module):
        cache: Tensor | None = None

        def forward(self, rows: Tensor) -> Tensor:
            self.cache = rows * 2
            return self.cache

    model = Counter()
    profile_model(model, x(4, 8))
    assert "cache" not in vars(model)


# The rest of the process.


def random_states() -> list[Any]:
    return [torch.get_rng_state().tolist(), random.getstate(), str(np.random.get_state())]


def draws(self: Any, rows: Tensor) -> Tensor:
    random.random()  # noqa: S311
    np.random.rand()
    torch.manual_seed(7)
    return self.layer(rows + torch.rand(8))


def test_random_states(settings: dict[str, str]) -> None:
    model = Fn(draws, layer=nn.Linear(8, 8))
    before = random_states()
    profile_model(model, x(4, 8), metrics=WITH_LATENCY, **settings)
    assert random_states() == before


@pytest.fixture
def flags() -> Iterator[Callable[[], list[Any]]]:
    def state() -> list[Any]:
        return [
            torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled(),
            torch.are_deterministic_algorithms_enabled(), torch.get_float32_matmul_precision(),
            torch.backends.mha.get_fastpath_enabled(), torch.backends.cudnn.benchmark,
            torch.backends.cudnn.enabled, torch.backends.cudnn.deterministic,
            torch.backends.mkldnn.enabled, torch.is_inference_mode_enabled(),
            torch.is_autocast_enabled("cpu"),
        ]  # fmt: skip

    before = state()
    yield state
    assert state() == before


def set_flags(rows: Tensor) -> Tensor:
    torch.set_num_threads(torch.get_num_threads() + 1)
    torch.set_default_dtype(torch.float64)
    torch.set_grad_enabled(True)
    torch.use_deterministic_algorithms(True)
    torch.set_float32_matmul_precision("medium")
    torch.backends.mha.set_fastpath_enabled(False)
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.enabled = False
    torch.backends.cudnn.deterministic = True
    return rows * 2


@pytest.mark.parametrize("mode", ["inference", "training"])
def test_flags(flags: Callable[[], list[Any]], mode: str) -> None:
    model = Fn(lambda self, rows: set_flags(self.layer(rows)), layer=nn.Linear(8, 8))
    profile_model(model, x(4, 8), mode=mode, metrics=WITH_LATENCY)
    del flags


def test_flags_when_forward_raises(flags: Callable[[], list[Any]]) -> None:
    def fail(rows: Tensor) -> Tensor:
        set_flags(rows)
        raise Mishap

    with pytest.raises(Mishap):
        profile_model(Fn(fail), x(4, 8))
    del flags


def test_the_flag_of_mkldnn(flags: Callable[[], list[Any]]) -> None:
    def forward(rows: Tensor) -> Tensor:
        torch.backends.mkldnn.enabled = False
        return rows * 2

    profile_model(Fn(forward), x(4, 8))
    del flags


def test_autocast_left_on_by_forward() -> None:
    def forward(rows: Tensor) -> Tensor:
        torch.set_autocast_enabled("cpu", True)
        return rows * 2

    try:
        profile_model(Fn(forward), x(4, 8))
        assert not torch.is_autocast_enabled("cpu")
    finally:
        torch.set_autocast_enabled("cpu", False)


def test_under_inference_mode() -> None:
    model = mlp()
    with torch.inference_mode():
        profile = profile_model(model, x(4, 8), metrics=WITH_LATENCY)
        assert torch.is_inference_mode_enabled()
    assert profile.flops == 2 * 4 * (8 * 16 + 16 * 4)
    assert not any(p.is_inference() for p in model.parameters())


# Inputs.


INPUT_CHANGES: dict[str, Callable[[Tensor], Any]] = {
    "in-place": lambda rows: rows.add_(1),
    "a-view": lambda rows: rows[0].fill_(3),
    "flat": lambda rows: rows.view(-1).mul_(2),
    "twice": lambda rows: nn.functional.relu_(rows.sub_(1)),
    "requires-grad": lambda rows: rows.requires_grad_(True),
}


@pytest.mark.parametrize("change", INPUT_CHANGES)
def test_inputs_that_forward_changes(
    request: pytest.FixtureRequest, change: str, settings: dict[str, str], *, reads_values: bool
) -> None:

    def forward(self: Any, rows: Tensor) -> Tensor:
        if reads_values and rows.sum().item() > 1e30:
            rows = rows * 0
        INPUT_CHANGES[change](rows)
        return self.layer(rows)

    rows = torch.ones(4, 8)
    profile_model(Fn(forward, layer=nn.Linear(8, 8)), rows, metrics=WITH_LATENCY, **settings)
    assert torch.equal(rows, torch.ones(4, 8))
    assert (rows.requires_grad, rows.grad) == (False, None)


def test_containers_among_the_inputs_that_forward_changes(*, reads_values: bool) -> None:
    def forward(self: Any, batch: dict[str, Any]) -> Tensor:
        if reads_values and batch["x"].sum().item() > 1e30:
            return batch["x"]
        batch["seen"] = True
        batch["list"].append(1)
        return self.layer(batch.pop("x"))

    batch: dict[str, Any] = {"x": x(4, 8), "list": []}
    profile_model(Fn(forward, layer=nn.Linear(8, 8)), (batch,), metrics=("params", "gflops"))
    assert list(batch) == ["x", "list"]
    assert batch["list"] == []


@pytest.mark.parametrize("metrics", [("gflops",), WITH_LATENCY], ids=["count", "latency"])
def test_inputs_gain_no_gradients(
    request: pytest.FixtureRequest, metrics: tuple[str, ...], *, reads_values: bool
) -> None:
    model, rows = Full(reads_values), x(4, 8, requires_grad=True)
    profile_model(model, rows, mode="training", metrics=metrics)
    assert rows.grad is None


@pytest.mark.parametrize("metrics", [("gflops",), WITH_LATENCY], ids=["count", "latency"])
def test_parameters_gain_no_gradients(metrics: tuple[str, ...], *, reads_values: bool) -> None:
    model = Full(reads_values)
    profile_model(model, x(4, 8), mode="training", metrics=metrics)
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("metrics", [("gflops",), WITH_LATENCY], ids=["count", "latency"])
def test_nothing_is_added_to_gradients(
    request: pytest.FixtureRequest, metrics: tuple[str, ...], *, reads_values: bool
) -> None:
    model = Full(reads_values)
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    profile_model(model, x(4, 8), mode="training", metrics=metrics)
    assert all(torch.equal(p.grad, torch.ones_like(p)) for p in model.parameters())


# Each context by itself.


def test_substitute_and_restore() -> None:
    model = Full(reads_values=False)
    before = picture(model)
    state = SavedState(model)
    state.substitute(lambda tensor: tensor.detach().to("meta"))
    assert all(p.is_meta for p in model.parameters())
    state.restore()
    assert picture(model) == before


def test_restored_after_an_exception() -> None:
    model = Full(reads_values=False)
    before = picture(model)
    with pytest.raises(Mishap), restored_after(model):
        model.eval().requires_grad_(False)
        raise Mishap
    assert picture(model) == before


def test_contents_restored_after_an_exception() -> None:
    tensor = torch.ones(3)
    with pytest.raises(Mishap), contents_restored([tensor, torch.ones(2, device="meta")]):
        tensor.zero_()
        raise Mishap
    assert torch.equal(tensor, torch.ones(3))


def test_a_deep_model_is_restored_to_its_end() -> None:
    model: nn.Module = nn.Linear(2, 2)
    for _ in range(60):
        model = nn.Sequential(model)
    before = picture(model)
    profile_model(model, x(1, 2), mode="training")
    assert picture(model) == before


def nested(levels: int) -> nn.Module:
    model: nn.Module = nn.Linear(4, 4)
    for _ in range(levels):
        model = nn.Sequential(model)
    return model


def deepest() -> int:
    """Return how deep layers can be nested so that torch itself runs them from here."""
    for levels in range(248, 0, -4):
        with suppress(RecursionError):
            nested(levels)(x(2, 4)).sum().backward()
            return levels - 8  # some room for this function and its neighbours
    raise AssertionError


@pytest.mark.parametrize("mode", ["inference", "training"])
@pytest.mark.parametrize("metrics", [("gflops",), ("latency",), ("memory",)], ids="-".join)
def test_as_many_nested_layers_as_torch_runs(metrics: tuple[str, ...], mode: str) -> None:
    limit = sys.getrecursionlimit()
    profile = profile_model(nested(deepest()), x(2, 4), mode=mode, metrics=metrics)
    assert profile.flops in (None, 64, 128)
    assert sys.getrecursionlimit() == limit


def test_calls_without_end_end() -> None:
    def forward(self: Fn, rows: Tensor) -> Tensor:
        return forward(self, rows)

    limit = sys.getrecursionlimit()
    with pytest.raises(RecursionError):
        profile_model(Fn(forward, calls=0), x(2, 4))
    assert sys.getrecursionlimit() == limit


def test_a_model_that_refers_to_itself() -> None:
    model = mlp()
    vars(model)["own"] = [model]
    assert profile_model(model, x(4, 8)).flops == 2 * 4 * (8 * 16 + 16 * 4)
    assert vars(model)["own"][0] is model


# What is neither an attribute nor an operator.

METRICS = pytest.mark.parametrize("metrics", [("gflops",), ("gflops", "latency")])


class Changing(nn.Module):
    """Calls `change(self)` in its forward."""

    cache: ClassVar[dict[str, Tensor]] = {}

    def __init__(self, change: Any) -> None:
        super().__init__()
        self.layer = nn.Linear(8, 8)
        self.generator = torch.Generator()
        self.register_buffer("calls", torch.zeros(1))
        self.change = change

    def forward(self, rows: Tensor) -> Tensor:
        self.change(self)
        return self.layer(rows)


@METRICS
def test_memory_that_forward_replaces(metrics: tuple[str, ...]) -> None:
    def halve(model: Changing) -> None:
        model.layer.weight.data = model.layer.weight.data * 0.5

    model = Changing(halve)
    before = model.layer.weight.detach().clone(), model.layer.weight.data_ptr()
    profile_model(model, x(4, 8), metrics=metrics)
    assert torch.equal(model.layer.weight, before[0])
    assert model.layer.weight.data_ptr() == before[1]


@METRICS
def test_a_buffer_that_numpy_writes_into(metrics: tuple[str, ...]) -> None:
    def count(model: Changing) -> None:
        model.calls.numpy()[0] += 1

    model = Changing(count)
    profile_model(model, x(4, 8), metrics=metrics)
    assert model.calls.item() == 0


@METRICS
def test_a_generator_of_the_model(metrics: tuple[str, ...]) -> None:
    model = Changing(lambda model: torch.rand(8, generator=model.generator))
    before = model.generator.get_state()
    profile_model(model, x(4, 8), metrics=metrics)
    assert torch.equal(model.generator.get_state(), before)


@METRICS
def test_what_a_class_shares(metrics: tuple[str, ...]) -> None:
    model = Changing(lambda model: model.cache.setdefault("ones", model.layer.weight * 2))
    profile_model(model, x(4, 8), metrics=metrics)
    assert Changing.cache == {}


@METRICS
def test_an_optimiser_that_steps_in_backward(metrics: tuple[str, ...]) -> None:
    def step(parameter: Tensor) -> None:
        parameter.data.add_(parameter.grad, alpha=-0.1)

    model = nn.Linear(8, 8)
    model.weight.register_post_accumulate_grad_hook(step)
    before = model.weight.detach().clone()
    profile_model(model, x(4, 8), mode="training", metrics=metrics)
    assert torch.equal(model.weight, before)


def set_more_flags() -> None:
    torch.backends.cuda.enable_flash_sdp(False)
    torch.backends.cudnn.allow_tf32 = not torch.backends.cudnn.allow_tf32
    torch.set_autocast_dtype("cpu", torch.float16)
    torch.autograd.set_detect_anomaly(True)


@METRICS
@pytest.mark.filterwarnings("ignore:Anomaly Detection:UserWarning")
def test_flags_that_forward_sets(metrics: tuple[str, ...]) -> None:
    def read() -> tuple[Any, ...]:
        return (
            torch.backends.cuda.flash_sdp_enabled(),
            torch.backends.cudnn.allow_tf32,
            torch.get_autocast_dtype("cpu"),
            torch.is_anomaly_enabled(),
        )

    before = read()
    profile_model(Changing(lambda _: set_more_flags()), x(4, 8), metrics=metrics)
    assert read() == before


class Untouchable(dict[str, Any]):
    """A container that forbids all changes, as `FrozenDict` and `fx.immutable_dict` do."""

    def update(self, *_: Any, **__: Any) -> None:
        raise TypeError("untouchable")

    clear = update


def test_a_container_without_tensors_is_never_changed() -> None:
    class Configured(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(4, 4)
            self.config = Untouchable(size=8, names=["a"])

        def forward(self, x: Tensor) -> Tensor:
            return self.linear(x)

    for metrics in (("gflops",), ("gflops", "latency")):
        assert profile_model(Configured(), torch.zeros(1, 4), metrics=metrics).flops == 32


ALL_METRICS = pytest.mark.parametrize(
    "metrics", [("gflops",), ("gflops", "latency"), ("memory",)], ids="-".join
)


@ALL_METRICS
def test_attributes_and_the_class_of_a_module(metrics: tuple[str, ...]) -> None:
    class Counting(nn.Linear):
        calls, kept = 0, "before"

        def forward(self, rows: Tensor) -> Tensor:
            Counting.calls += 1
            Counting.new = True  # type: ignore[attr-defined]
            if "kept" in vars(Counting):
                del Counting.kept
            self.__class__ = Other  # type: ignore[assignment]
            return super().forward(rows)

    class Other(Counting):
        pass

    model = Counting(4, 4)
    profile_model(model, x(2, 4), metrics=metrics)
    assert (Counting.calls, Counting.kept, hasattr(Counting, "new")) == (0, "before", False)
    assert type(model) is Counting


@ALL_METRICS
@pytest.mark.parametrize("mode", ["inference", "training"])
def test_hooks_and_attributes_that_forward_gives_a_parameter(
    metrics: tuple[str, ...], mode: str
) -> None:
    class Hooking(nn.Linear):
        def forward(self, rows: Tensor) -> Tensor:
            self.weight.register_hook(lambda gradient: gradient * 2)
            self.weight.register_post_accumulate_grad_hook(lambda weight: None)
            self.weight.seen = getattr(self.weight, "seen", 0) + 1  # type: ignore[attr-defined]
            return super().forward(rows)

    model, calls = Hooking(4, 4), []
    model.weight.register_hook(calls.append)
    model.weight.kept = 3  # type: ignore[attr-defined]
    profile_model(model, x(2, 4), mode=mode, metrics=metrics)
    calls.clear()
    (torch.nn.functional.linear(torch.ones(1, 4), model.weight)).sum().backward()
    assert len(calls) == 1
    assert model.weight.grad is not None
    assert model.weight.grad.tolist() == torch.ones(4, 4).tolist()  # nothing doubles it
    assert vars(model.weight) == {"kept": 3}
    assert not model.weight._post_accumulate_grad_hooks


@pytest.mark.parametrize("kind", ["parameter", "plain tensor", "data"])
def test_what_forward_writes_only_from_the_second_call_on(kind: str) -> None:
    runs = []

    def forward(self: Fn, rows: Tensor) -> Tensor:
        runs.append(1)
        if len(runs) > 1:
            with torch.no_grad():
                (self.weight.data if kind == "data" else self.weight).add_(1)
        return rows @ self.weight

    weight = torch.zeros(4, 4)
    model = Fn(forward, weight=weight if kind == "plain tensor" else nn.Parameter(weight))
    profile_model(model, x(2, 4), metrics=("gflops", "latency", "memory"))
    assert len(runs) > 2
    assert model.weight.tolist() == torch.zeros(4, 4).tolist()


@ALL_METRICS
@pytest.mark.parametrize("mode", ["rb", "r"])
def test_a_file_that_forward_reads(tmp_path: Path, metrics: tuple[str, ...], mode: str) -> None:
    path = tmp_path / "data.txt"
    path.write_text("abcdef" * 100_000, encoding="ascii")
    with path.open(mode) as file:
        file.read(2)
        model = Fn(lambda self, rows: rows * len(self.file.read(1)), file=file)
        profile_model(model, x(2, 4), metrics=metrics)
        assert file.read(1) in ("c", b"c")


def test_a_file_that_forward_closes(tmp_path: Path) -> None:
    def forward(self: Fn, rows: Tensor) -> Tensor:
        self.file.close()
        return rows

    with (tmp_path / "data.txt").open("w") as file:
        profile_model(Fn(forward, file=file), x(2, 4))


def test_a_file_that_forward_writes_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    with path.open("w", encoding="ascii") as file:
        model = Fn(lambda self, rows: (self.file.write("forward\n"), rows)[1], file=file)
        file.write("before\n")
        profile_model(model, x(2, 4))
        file.write("after\n")
    lines = path.read_text("ascii").splitlines()
    assert (lines[0], lines[-1], {*lines[1:-1]}) == ("before", "after", {"forward"})


def test_a_file_that_was_detached() -> None:
    wrapper = io.TextIOWrapper(io.BytesIO(b"abc"))
    wrapper.detach()
    assert profile_model(Fn(lambda self, rows: rows, file=wrapper), x(2, 4)).flops == 0


def test_a_sparse_buffer_on_a_device() -> None:
    model = Fn(
        lambda self, rows: torch.sparse.mm(self.sparse, rows), sparse=torch.eye(4).to_sparse()
    )
    profile = profile_model(model, x(4, 8), metrics=("gflops", "latency", "memory"))
    assert profile.latency_ms is not None
