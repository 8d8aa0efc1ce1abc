"""The engines `thop` and `yolov5`: what the installed THOP counts, doubled, layer by layer."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pytest_flopbudget import ModelProfile, profile_model
from pytest_flopbudget.errors import MeasureError
from pytest_flopbudget.measure.counting import thop_engine
from tests.measure.helpers import Fn, mlp, x
from tests.models.yolov5 import YOLOv5s
from tests.models.yolov5_published import PUBLISHED, PUBLISHED_GFLOPS, PUBLISHED_PARAMS, Row

IMAGE = (1, 3, 640, 640)
ENGINES = ("thop", "yolov5")

# YOLOv5s: `dispatch` counts convolutions; a batch norm adds 2 MACs per output under the rules of
# the published tables (95 MFLOPs), and THOP >= 0.1 counts it and nearest upsampling otherwise.
TOTALS = {"yolov5": 15_883_059_200, "thop": 15_980_134_400, "dispatch": 15_788_441_600}


@pytest.fixture(scope="module")
def yolo() -> dict[str, ModelProfile]:
    model = YOLOv5s()
    return {engine: profile_model(model, x(*IMAGE), engine=engine) for engine in TOTALS}


@pytest.mark.parametrize("engine", TOTALS)
def test_yolov5s_in_all(yolo: dict[str, ModelProfile], engine: str) -> None:
    profile = yolo[engine]
    assert profile.flops == TOTALS[engine]
    assert profile.flops == sum(layer.own_flops or 0 for layer in profile.layers)
    assert (profile.params, profile.uncounted, profile.counted_on) == (PUBLISHED_PARAMS, (), "meta")


@pytest.mark.parametrize("row", PUBLISHED, ids=lambda row: f"{row.index}-{row.type}")
def test_yolov5s_row(yolo: dict[str, ModelProfile], row: Row) -> None:
    layer = yolo["yolov5"][f"model.{row.index}"]
    assert (layer.type, layer.params, layer.calls) == (row.type, row.params, 1)
    assert layer.flops is not None
    assert f"{layer.flops / 1e9:.2f}" == row.gflops


def test_yolov5s_as_printed(yolo: dict[str, ModelProfile]) -> None:
    gflops = {engine: f"{profile.gflops:.3f}" for engine, profile in yolo.items()}
    assert gflops == {"yolov5": PUBLISHED_GFLOPS, "thop": "15.980", "dispatch": "15.788"}
    assert f"{yolo['yolov5'].gflops:.2f}" == "15.88"


def test_seven_rows_differ_under_the_rules_of_today(yolo: dict[str, ModelProfile]) -> None:
    printed = [
        f"{yolo['thop'][f'model.{row.index}'].gflops:.2f}" != row.gflops for row in PUBLISHED
    ]
    assert sum(printed) == 7


# What THOP counts.


def by_thop(model: nn.Module, *inputs: Tensor) -> float:
    thop = thop_engine.load()  # which keeps its import quiet
    return thop.profile(model.eval(), inputs=inputs, verbose=False)[0]


MODELS = {
    "mlp": lambda: (mlp(), x(4, 8)),
    "convolution": lambda: (nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)), x(2, 3, 8, 8)),
    "grouped": lambda: (nn.Conv2d(4, 6, 3, groups=2), x(1, 4, 8, 8)),
    "transposed": lambda: (nn.ConvTranspose2d(3, 5, 3, 2), x(1, 3, 4, 4)),
    "lstm": lambda: (nn.LSTM(3, 4, 2, bidirectional=True), x(5, 2, 3)),
    "gru-cell": lambda: (nn.GRUCell(3, 4), x(2, 3)),
    "pooling": lambda: (nn.Sequential(nn.AvgPool2d(2), nn.AdaptiveAvgPool2d(1)), x(1, 3, 8, 8)),
    "upsampling": lambda: (nn.Upsample(scale_factor=2, mode="bilinear"), x(1, 3, 4, 4)),
    "softmax": lambda: (nn.Softmax(1), x(4, 8)),
    "nested": lambda: (nn.Sequential(mlp(), nn.Sequential(nn.Linear(4, 4), nn.ReLU())), x(4, 8)),
    "encoder-layer": lambda: (nn.TransformerEncoderLayer(8, 2, 16), x(5, 2, 8)),
}


@pytest.mark.parametrize("name", MODELS)
def test_twice_what_thop_counts(name: str) -> None:
    model, *inputs = MODELS[name]()
    profile = profile_model(model, tuple(inputs), engine="thop")
    model, *inputs = MODELS[name]()
    assert profile.flops == round(2 * by_thop(model, *inputs))
    assert profile.flops == sum(layer.own_flops or 0 for layer in profile.layers)


def test_each_layer() -> None:
    profile = profile_model(mlp(), x(4, 8), engine="thop")
    assert {layer.path: layer.own_flops for layer in profile.layers} == {
        "": 0, "0": 2 * 4 * 8 * 16, "1": 0, "2": 2 * 4 * 16 * 4,
    }  # fmt: skip


def test_batch_norm_by_the_published_rules() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    profile = profile_model(model, x(2, 3, 8, 8), engine="yolov5")
    assert profile["0"].flops == 2 * 2 * 36 * 4 * 27
    assert profile["1"].flops == 2 * 2 * (2 * 4 * 36)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Upsample(scale_factor=2),
        nn.Upsample(scale_factor=2, mode="bilinear"),
        nn.UpsamplingNearest2d(scale_factor=2),
        nn.UpsamplingBilinear2d(scale_factor=2),
    ],
    ids=["nearest", "bilinear", "nearest2d", "bilinear2d"],
)
def test_upsampling_is_free_by_the_published_rules(layer: nn.Module) -> None:
    assert profile_model(layer, x(1, 3, 4, 4), engine="yolov5").flops == 0


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("repeats", [2, 3])
def test_a_shared_layer_adds_up_to_thops_total(engine: str, repeats: int) -> None:
    layer = nn.Linear(8, 8)
    model = nn.Sequential(*[layer] * repeats)
    profile = profile_model(model, x(4, 8), engine=engine)
    layer = nn.Linear(8, 8)
    assert profile.flops == round(2 * by_thop(nn.Sequential(*[layer] * repeats), x(4, 8)))
    assert sum(own.own_flops or 0 for own in profile.layers) == profile.flops
    assert profile["0"].calls == repeats


@pytest.mark.parametrize("engine", ENGINES)
def test_keyword_arguments(engine: str) -> None:
    model = Fn(lambda self, *, rows, scale: self.layer(rows) * scale, layer=nn.Linear(8, 16))
    profile = profile_model(model, (), {"rows": x(4, 8), "scale": 2.0}, engine=engine)
    assert profile["layer"].flops == 2 * 4 * 8 * 16


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("kind", "model", "shape"),
    [
        ("Embedding", nn.Embedding(10, 4), None),
        ("GroupNorm", nn.GroupNorm(2, 4), (2, 4, 3, 3)),
    ],
)
def test_a_layer_with_parameters_but_no_rule_is_uncounted(
    engine: str, kind: str, model: nn.Module, shape: tuple[int, ...] | None
) -> None:
    inputs = torch.zeros(2, 3, dtype=torch.long) if shape is None else x(*shape)
    profile = profile_model(nn.Sequential(model, nn.Identity()), inputs, engine=engine)
    assert [(found.operator, found.path, found.calls) for found in profile.uncounted] == [
        (f"layer:{kind}", "0", 1)
    ]
    assert profile.uncounted[0].shapes == (tuple(inputs.shape),)


@pytest.mark.parametrize("engine", ENGINES)
def test_attention_is_uncounted(engine: str) -> None:
    model = Fn(lambda self, q: self.m(q, q, q)[0], m=nn.MultiheadAttention(8, 2))
    profile = profile_model(model, x(5, 2, 8), engine=engine)
    assert "layer:MultiheadAttention" in [found.operator for found in profile.uncounted]


def test_a_layer_of_ones_own_with_parameters_is_uncounted() -> None:
    model = Fn(lambda self, rows: rows @ self.w, w=nn.Parameter(torch.eye(8)))
    profile = profile_model(nn.Sequential(model), x(4, 8), engine="thop")
    assert [found.operator for found in profile.uncounted] == ["layer:Fn"]


def test_a_layer_without_a_rule_that_does_not_run_is_no_gap() -> None:
    model = Fn(lambda self, rows: self.a(rows), a=nn.Linear(8, 8), b=nn.Embedding(3, 3))
    assert profile_model(model, x(4, 8), engine="thop").uncounted == ()


@pytest.mark.parametrize("engine", ENGINES)
def test_training_is_refused(engine: str) -> None:
    with pytest.raises(MeasureError, match=f"engine `{engine}` counts inference only") as caught:
        profile_model(mlp(), x(4, 8), engine=engine, mode="training")
    assert 'engine="dispatch"' in caught.value.hint


@pytest.mark.parametrize("engine", ENGINES)
def test_a_model_that_reads_values_is_counted_for_real(engine: str) -> None:
    model = Fn(
        lambda self, rows: self.layer(rows) if rows.sum().item() == 0 else rows,
        layer=nn.Linear(8, 16),
    )
    profile = profile_model(model, x(4, 8), engine=engine)
    assert (profile.flops, profile.counted_on) == (2 * 4 * 8 * 16, "real")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_model_on_meta(engine: str) -> None:
    profile = profile_model(nn.Linear(8, 16, device="meta"), x(4, 8, device="meta"), engine=engine)
    assert (profile.flops, profile.counted_on) == (2 * 4 * 8 * 16, "meta")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_model_with_a_buffer_of_thops_name(engine: str) -> None:
    model = mlp()
    model.register_buffer("total_ops", torch.full((1,), 7.0))
    profile_model(model, x(4, 8), engine=engine)
    assert torch.equal(model.total_ops, torch.full((1,), 7.0))


@pytest.mark.parametrize("engine", ENGINES)
def test_thop_leaves_nothing_in_a_model(engine: str) -> None:
    model = YOLOv5s().train()
    names = {path: list(vars(module)) for path, module in model.named_modules()}
    keys = list(model.state_dict())
    profile_model(model, x(1, 3, 64, 64), engine=engine)
    assert {path: list(vars(module)) for path, module in model.named_modules()} == names
    assert list(model.state_dict()) == keys
    assert all(module.training for module in model.modules())
    assert not any(module._forward_hooks for module in model.modules())


# Which distribution counted.


def test_the_counter_of_this_environment() -> None:
    name, version = thop_engine.counter().split(" ")
    assert name in thop_engine.DISTRIBUTIONS
    assert version
    assert profile_model(mlp(), x(4, 8), engine="thop").counter == f"{name} {version}"
    assert profile_model(mlp(), x(4, 8)).counter is None


class Installed:
    def __init__(self, name: str, version: str) -> None:
        self.metadata, self.version = {"Name": name}, version


@pytest.mark.parametrize(
    ("owner", "expected"),
    [
        ("thop", "thop 0.1.1"),
        ("ultralytics-thop", "ultralytics-thop 2.0.14"),
        (None, "thop 0.1.1"),  # nobody's records fit: the first that is there
    ],
)
def test_of_two_distributions_the_one_whose_file_it_is(
    monkeypatch: pytest.MonkeyPatch, owner: str | None, expected: str
) -> None:
    versions = {"thop": "0.1.1", "ultralytics-thop": "2.0.14"}
    monkeypatch.setattr(thop_engine, "distribution", lambda name: Installed(name, versions[name]))
    monkeypatch.setattr(thop_engine, "_owns", lambda dist, _: dist.metadata["Name"] == owner)
    assert thop_engine.counter() == expected


def test_of_no_distribution(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thop_engine, "_distribution", lambda _: None)
    assert thop_engine.counter() == "thop, of no distribution"


def test_without_thop(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Any:
        raise ImportError(f"No module named '{name}'")

    monkeypatch.setattr(thop_engine.importlib, "import_module", absent)
    with pytest.raises(MeasureError, match="need the module `thop`") as caught:
        profile_model(mlp(), x(4, 8), engine="thop")
    assert "pip install thop" in caught.value.hint
