"""Compiled models are counted as they were written, and timed as they were compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn

from pytest_flopbudget import profile_model
from tests.measure.helpers import mlp, x

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.usefixtures("brief_timing")
ALL = ("params", "gflops", "latency")
FLOPS = 4 * (256 + 128)


class Backend:
    """Compiles nothing, but tells how often it was asked to, and how often its code ran.

    What a model refers to is put back as it was after a profile, so no model refers to this.
    """

    def __init__(self) -> None:
        self.compiled = self.ran = 0

    def function(self) -> Callable[..., Any]:
        def compile_graph(graph: Any, _inputs: list[Tensor]) -> Callable[..., Any]:
            self.compiled += 1
            return run_graph(graph)

        def run_graph(graph: Any) -> Callable[..., Any]:
            def run(*args: Any) -> Any:
                self.ran += 1
                return graph.forward(*args)

            return run

        return compile_graph


class Model(nn.Module):
    """A layer that may be compiled, and one behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.body: Any = mlp()
        self.head = nn.Identity()

    def forward(self, rows: Tensor) -> Tensor:
        return self.head(self.body(rows))


def whole(model: Model, backend: Backend) -> Any:
    return torch.compile(model, backend=backend.function())


def in_place(model: Model, backend: Backend) -> Any:
    model.compile(backend=backend.function())
    return model


def its_forward(model: Model, backend: Backend) -> Any:
    model.forward = torch.compile(model.forward, backend=backend.function())
    return model


def in_part(model: Model, backend: Backend) -> Any:
    model.body = torch.compile(model.body, backend=backend.function())
    return model


@pytest.fixture
def backend() -> Iterator[Backend]:
    torch._dynamo.reset()
    yield Backend()
    torch._dynamo.reset()


@pytest.mark.parametrize("compiled", [whole, in_place, its_forward, in_part])
def test_a_compiled_model(compiled: Callable[[Model, Backend], Any], backend: Backend) -> None:
    profile = profile_model(compiled(Model(), backend), x(4, 8), metrics=ALL)
    assert (profile.flops, profile.params, profile.model) == (FLOPS, 212, "Model")
    assert backend.compiled == 1
    rounds = 1 + 1 + 1 + (compiled is in_part)  # compiling, warm-up, timing, layers
    assert backend.ran == rounds
    assert profile.compile_ms is not None
    assert profile.state == ("float32", "compiled")


def test_layers_of_a_model_that_is_compiled_in_part(backend: Backend) -> None:
    profile = profile_model(in_part(Model(), backend), x(4, 8), metrics=ALL)
    times = {layer.path: layer.own_latency_ms for layer in profile.layers}
    assert times["body"]
    assert times["head"]
    assert times["body._orig_mod.0"] is None


@pytest.mark.parametrize("compiled", [whole, in_place])
def test_layers_of_a_model_that_is_compiled_as_a_whole(
    compiled: Callable[[Model, Backend], Any], backend: Backend
) -> None:
    profile = profile_model(compiled(Model(), backend), x(4, 8), metrics=ALL)
    assert {layer.own_latency_ms for layer in profile.layers} == {None}


def test_an_ordinary_model_has_no_time_of_compiling() -> None:
    profile = profile_model(Model(), x(4, 8), metrics=ALL)
    assert profile.compile_ms is None
    assert profile.environment is not None
    assert profile.state == ("float32",)


def test_compiled_code_runs_after_a_profile(backend: Backend) -> None:
    model = in_place(Model(), backend)
    profile_model(model, x(4, 8))
    assert (backend.compiled, backend.ran) == (0, 0)
    model(x(4, 8))
    assert (backend.compiled, backend.ran) == (1, 1)


def test_inputs_in_channels_last_stay_so() -> None:
    seen: set[bool] = set()

    class Net(nn.Module):
        def forward(self, image: Tensor) -> Tensor:
            seen.add(image.is_contiguous(memory_format=torch.channels_last))
            return image * 2

    image = torch.zeros(1, 3, 8, 8).to(memory_format=torch.channels_last)
    profile_model(Net(), image, metrics=ALL)
    assert seen == {True}


class Empty(nn.Sequential):
    """A model that counts as false."""

    def forward(self, x: Tensor) -> Tensor:
        return x


class Uncountable(nn.Linear):
    """A model whose length is nobody's business."""

    def __len__(self) -> int:
        raise TypeError("no length")


@pytest.mark.parametrize("model", [Empty(), Uncountable(8, 8)])
def test_a_compiled_model_is_unwrapped_whatever_its_length(model: nn.Module) -> None:
    profile = profile_model(torch.compile(model, backend="eager"), x(2, 8))
    assert profile.model == type(model).__name__
    assert [layer.path for layer in profile.layers] == [""]


class HandsOn(nn.Module):
    """Hands on every attribute that it does not have itself to the model that it wraps."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.head = nn.Linear(8, 8)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("model"), name)

    def forward(self, rows: Tensor) -> Tensor:
        return self.head(self.model(rows))


@pytest.mark.parametrize("metrics", [("params", "gflops"), ALL])
def test_a_wrapper_that_hands_attributes_on_is_not_what_it_wraps(
    metrics: tuple[str, ...], backend: Backend
) -> None:
    inside = torch.compile(nn.Linear(8, 8), backend=backend.function())
    profile = profile_model(HandsOn(inside), x(1, 8), metrics=metrics)
    assert (profile.model, profile.flops, profile.params) == ("HandsOn", 2 * 128, 2 * 72)
    assert [layer.path for layer in profile.layers] == ["", "model", "model._orig_mod", "head"]


def test_an_example_input_belongs_to_the_model_that_has_it() -> None:
    inside = nn.Linear(8, 8)
    inside.example_input_array = x(3, 8)
    with pytest.raises(TypeError, match="rows"):
        profile_model(HandsOn(inside))
