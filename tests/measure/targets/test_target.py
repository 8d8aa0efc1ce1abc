"""What may be profiled beside a module: a method of it, or a function with the modules it calls."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pytest_flopbudget import FlopBudgetError, profile_model
from tests.measure.helpers import x

ALL = ("params", "gflops", "traffic", "operators", "weights", "latency", "memory")
ROWS = 2


class Coder(nn.Module):
    """8 -> 16 -> 4 without bias: 128 and 64 params, 256 and 128 FLOPs per row."""

    def __init__(self) -> None:
        super().__init__()
        self.enc = nn.Linear(8, 16, bias=False)
        self.dec = nn.Linear(16, 4, bias=False)

    def forward(self, rows: Tensor) -> Any:
        return self.dec(self.enc(rows))

    def encode(self, rows: Tensor, *, times: int = 1) -> Any:
        self.encoded = rows
        for _ in range(times):
            hidden = self.enc(rows)
        return hidden

    def training_step(self, batch: tuple[Tensor, Tensor], _index: int) -> dict[str, Tensor]:
        rows, wanted = batch
        return {"loss": nn.functional.mse_loss(self(rows), wanted)}


class Scheduler:
    """Notes its steps, as those of diffusers do, and keeps a tensor of its own."""

    def __init__(self) -> None:
        self.scales = torch.linspace(1.0, 0.1, 4)
        self.index = 0
        self.history: list[Tensor] = []

    def step(self, noise: Tensor, sample: Tensor) -> Tensor:
        self.history.append(noise)
        sample = sample - self.scales[self.index] * noise
        self.index += 1
        return sample


class Pipeline:
    """Three modules and a loop of four steps over one of them, which is no module itself."""

    def __init__(self) -> None:
        self.text_encoder = nn.Linear(8, 4, bias=False)  # 64 FLOPs per row
        self.unet = nn.Sequential(nn.Linear(4, 4, bias=False))  # 32 FLOPs per row
        self.vae = Coder()
        self.scheduler = Scheduler()

    @property
    def parts(self) -> dict[str, nn.Module]:
        return {"text_encoder": self.text_encoder, "unet": self.unet, "vae.enc": self.vae.enc}

    def __call__(self, prompt: Tensor) -> Any:
        sample = self.text_encoder(prompt)
        for _ in range(4):
            sample = self.scheduler.step(self.unet(sample), sample)
        return sample @ sample.T  # outside of all modules: 2 * ROWS * 4 * ROWS = 32


PARTS = ("text_encoder", "unet")


def parts_of(pipeline: Pipeline) -> dict[str, nn.Module]:
    return {name: getattr(pipeline, name) for name in PARTS}


def test_a_method_is_counted_with_the_layers_of_its_module() -> None:
    profile = profile_model(Coder().encode, x(ROWS, 8), {"times": 3})
    assert (profile.model, profile.target, profile.layers[0].type) == (
        "Coder.encode",
        "encode",
        "Coder",
    )
    assert (profile["enc"].own_flops, profile["enc"].calls) == (3 * 256 * ROWS, 3)
    assert (profile["dec"].calls, profile.flops, profile.params) == (0, 3 * 256 * ROWS, 192)


def test_every_metric_of_a_method_is_measured_and_its_module_restored() -> None:
    model = Coder()
    profile = profile_model(model.encode, x(ROWS, 8), metrics=ALL)
    assert profile.traffic_bytes == 4 * (128 + 8 * ROWS + 16 * ROWS)
    assert (profile.operators, profile.weights_bytes) == (1, 4 * 192)
    assert profile.latency_ms is not None
    assert profile.memory_bytes == 4 * 16 * ROWS
    assert not hasattr(model, "encoded")
    assert model.training


@pytest.mark.parametrize("engine", ["thop", "yolov5"])
def test_the_thop_engines_count_a_method(engine: str) -> None:
    assert profile_model(Coder().encode, x(ROWS, 8), engine=engine).flops == 256 * ROWS


def test_a_training_step_goes_backward_from_its_loss() -> None:
    model = Coder()
    batch = (x(ROWS, 8), x(ROWS, 4))
    profile = profile_model(model.training_step, (batch, 0), mode="training")
    # Backward: the weight's gradient of both, the input's of the second alone.
    assert profile.forward_flops == (256 + 128) * ROWS
    assert profile.backward_flops == (256 + 2 * 128) * ROWS
    assert all(parameter.grad is None for parameter in model.parameters())


def test_forward_as_a_method_is_a_target_and_the_call_of_a_model_the_model() -> None:
    model = Coder()
    assert profile_model(model.forward, x(ROWS, 8)).model == "Coder.forward"
    assert profile_model(model.__call__, x(ROWS, 8)).model == "Coder"


@pytest.mark.parametrize("mode", ["inference", "training"])
def test_a_pipeline_is_counted_by_the_names_of_its_modules(mode: str) -> None:
    pipeline = Pipeline()
    profile = profile_model(pipeline, x(ROWS, 8), modules=parts_of(pipeline), mode=mode)
    assert [layer.path for layer in profile] == ["", "text_encoder", "unet", "unet.0"]
    forward = profile.forward_flops if mode == "training" else profile.flops
    assert forward == 64 * ROWS + 4 * 32 * ROWS + 32
    assert (profile.model, profile["unet.0"].calls) == ("Pipeline", 4)
    if mode == "inference":
        assert profile[""].own_flops == 32


def test_a_pipeline_and_its_scheduler_are_restored() -> None:
    pipeline = Pipeline()
    pipeline.unet.eval()
    before = dict(vars(pipeline))
    scales = pipeline.scheduler.scales
    profile_model(pipeline, x(ROWS, 8), modules=parts_of(pipeline), metrics=ALL)
    assert vars(pipeline) == before
    assert pipeline.scheduler.scales is scales
    assert (pipeline.scheduler.index, pipeline.scheduler.history) == (0, [])
    assert (pipeline.text_encoder.training, pipeline.unet.training) == (True, False)


def test_a_pipeline_that_raises_is_restored() -> None:
    pipeline = Pipeline()
    del pipeline.scheduler.scales
    with pytest.raises(AttributeError, match="scales"):
        profile_model(pipeline, x(ROWS, 8), modules=parts_of(pipeline))
    assert pipeline.scheduler.history == []


def test_the_layers_of_one_module_have_no_name_before_them() -> None:
    model = Coder()
    profile = profile_model(lambda rows: model.encode(rows) * 2, x(ROWS, 8), modules=model)
    assert [layer.path for layer in profile] == ["", "enc", "dec"]
    assert (profile.model, profile.flops) == ("<lambda>", 256 * ROWS)


def test_a_shared_layer_has_the_first_name() -> None:
    model = Coder()
    both = {"encoder": model.enc, "coder": model}
    profile = profile_model(model.forward, x(ROWS, 8))
    shared = profile_model(partial(_run, model), x(ROWS, 8), modules=both)
    assert shared.model == "_run"
    assert shared["encoder"].own_flops == 256 * ROWS
    assert shared["coder"].flops == 128 * ROWS  # its encoder is booked above
    assert (shared.flops, shared.params) == (profile.flops, profile.params)


def _run(model: nn.Module, rows: Tensor) -> Any:
    return model(rows)


def test_a_model_keeps_an_argument_of_its_own_named_modules() -> None:
    from pytest_flopbudget.measure.targets.target import split_modules

    model = Coder()
    assert split_modules(model, {"modules": 1}) == ({"modules": 1}, None)
    assert split_modules(model.encode, {"modules": 1}) == ({"modules": 1}, None)
    assert split_modules(_run, {"modules": 1, "times": 2}) == ({"times": 2}, 1)


@pytest.mark.parametrize(
    ("target", "modules", "said"),
    [
        (_run, None, "expected a model, or a method of one, found the function `_run`"),
        (Pipeline(), None, "expected a model, or a method of one, found a `Pipeline`"),
        (Pipeline().scheduler.step, None, "found the method `step`"),
        (Coder, None, "expected a model, found the class `Coder`"),
        (3, None, "expected a `torch.nn.Module` as the model, found `int`"),
        (Coder(), {}, "`modules` names the modules of a function, found the model `Coder`"),
        (Coder().encode, {}, "`modules` names the modules of a function, found the method"),
        (_run, {}, "`modules`: expected a module or a dict, found an empty dict"),
        (_run, [Coder()], "`modules`: expected a module or a dict, found `list`"),
        (_run, {1: Coder()}, "`modules`: expected names, found `1`"),
        (_run, {"a": 1}, "`modules`: expected a `torch.nn.Module` as `a`, found `int`"),
        (_run, {"a.b": Coder()}, "`modules`: module name can't contain"),
        (_run, {"forward": Coder()}, "`modules`: attribute 'forward' already exists"),
    ],
)
def test_what_is_no_target_says_what_to_write(target: Any, modules: Any, said: str) -> None:
    with pytest.raises(FlopBudgetError) as caught:
        profile_model(target, x(1), modules=modules)
    assert said in str(caught.value)
    assert "hint: " in str(caught.value)


class Two(nn.Module):
    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return a + b


@pytest.mark.parametrize(
    ("args", "note"),
    [
        (((x(1), x(1)),), "the model was given one tuple of 2 tensors: if it takes them as "),
        (([x(1)],), "the model was given one list of 1 tensor: if it takes them as arguments"),
        (((1, 3, 32, 32),), "`(1, 3, 32, 32)` looks like a shape: hand over a tensor, "),
        ((torch.Size([4]),), "`(4,)` looks like a shape: hand over a tensor, `torch.zeros(4)`"),
        ((1, 3, 32, 32), "`(1, 3, 32, 32)` looks like a shape"),
    ],
)
def test_the_error_of_a_wrong_call_says_what_was_meant(args: Any, note: str) -> None:
    with pytest.raises(TypeError) as caught:
        profile_model(Two(), args)
    assert any(text.startswith(note) for text in caught.value.__notes__)


class Takes(nn.Module):
    def forward(self, given: Any) -> Tensor:
        return torch.zeros(given) if isinstance(given[0], int) else given[0] + given[1]


def test_a_model_that_takes_a_tuple_or_a_shape_is_told_nothing() -> None:
    profile_model(Takes(), ((x(1), x(1)),))
    profile_model(Takes(), ((1, 3),))


def test_an_error_of_another_call_has_no_such_note() -> None:
    with pytest.raises(TypeError) as caught:
        profile_model(Two(), (x(1),))
    assert not any("hand" in text for text in caught.value.__notes__)
