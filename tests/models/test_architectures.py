"""The test models are what they claim to be: parameters, layer paths and shapes of outputs."""

from collections import Counter
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from tests.models.llama import small_llama
from tests.models.resnet import resnet18, resnet50
from tests.models.tagger import LSTMTagger
from tests.models.unet import UNet
from tests.models.vit import ViT
from tests.models.yolov5 import Detect, YOLOv5s
from tests.models.yolov5_published import PUBLISHED, PUBLISHED_GFLOPS, PUBLISHED_PARAMS, Row


def params(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def on_meta(build: Callable[[], nn.Module]) -> nn.Module:
    with torch.device("meta"):
        return build().eval()


def detect_of(model: nn.Module) -> Detect:
    layer = model.get_submodule("model.24")
    assert isinstance(layer, Detect)
    return layer


@pytest.fixture(scope="module")
def yolo() -> nn.Module:
    return on_meta(YOLOv5s)


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (YOLOv5s, PUBLISHED_PARAMS),
        (resnet18, 11_689_512),  # torchvision
        (resnet50, 25_557_032),  # torchvision
        (ViT, 22_050_664),  # timm, vit_small_patch16_224
        (LSTMTagger, 1000 * 64 + 2 * 4 * 128 * ((64 + 130) + (256 + 130)) + 257 * 17),
        (UNet, 1_927_042),
    ],
)
def test_params(build: Callable[[], nn.Module], expected: int) -> None:
    assert params(on_meta(build)) == expected


@pytest.mark.parametrize("row", PUBLISHED, ids=lambda row: f"{row.index}-{row.type}")
def test_yolov5s_row(yolo: nn.Module, row: Row) -> None:
    layer = yolo.get_submodule(f"model.{row.index}")
    assert (type(layer).__name__, params(layer)) == (row.type, row.params)


def test_yolov5s_gflops_by_the_published_rules() -> None:
    macs: Counter[int] = Counter()

    def count_in(row: int) -> Callable[[nn.Module, object, Tensor], None]:
        def count(layer: nn.Module, _: object, output: Tensor) -> None:
            per_output = layer.weight[0].numel() if isinstance(layer, nn.Conv2d) else 2
            macs[row] += output.numel() * per_output

        return count

    model = on_meta(YOLOv5s)
    for path, layer in model.named_modules():
        if isinstance(layer, nn.Conv2d | nn.BatchNorm2d):
            layer.register_forward_hook(count_in(int(path.split(".")[1])))
    model(torch.zeros(1, 3, 640, 640, device="meta"))

    rows = [f"{2 * macs[row.index] / 1e9:.2f}" for row in PUBLISHED]
    assert rows == [row.gflops for row in PUBLISHED]
    assert f"{2 * macs.total() / 1e9:.3f}" == PUBLISHED_GFLOPS


@pytest.mark.parametrize(
    ("build", "path"),
    [
        (YOLOv5s, "model.0.conv"),
        (YOLOv5s, "model.4.m.1.cv1.conv"),
        (resnet18, "layer1.0.conv1"),
        (resnet50, "layer2.0.downsample.0"),
        (ViT, "blocks.11.attn.qkv"),
        (UNet, "decoder.0.3"),
    ],
)
def test_layer_path(build: Callable[[], nn.Module], path: str) -> None:
    assert path in dict(on_meta(build).named_modules())


@pytest.mark.parametrize(
    ("build", "shape", "expected"),
    [
        (resnet18, (2, 3, 224, 224), (2, 1000)),
        (resnet50, (2, 3, 224, 224), (2, 1000)),
        (ViT, (2, 3, 224, 224), (2, 1000)),
        (UNet, (2, 3, 128, 128), (2, 2, 128, 128)),
    ],
)
def test_output_shape(
    build: Callable[[], nn.Module], shape: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    assert on_meta(build)(torch.zeros(shape, device="meta")).shape == expected


def test_yolov5s_decodes_boxes_in_inference_mode(yolo: nn.Module) -> None:
    boxes, maps = yolo(torch.zeros(2, 3, 640, 640, device="meta"))
    assert boxes.shape == (2, 3 * (80**2 + 40**2 + 20**2), 10)
    assert [tuple(x.shape) for x in maps] == [(2, 3, n, n, 10) for n in (80, 40, 20)]


def test_yolov5s_gives_raw_maps_in_training_mode() -> None:
    maps = YOLOv5s().train()(torch.zeros(2, 3, 64, 32))
    assert [tuple(x.shape) for x in maps] == [(2, 3, 2 * n, n, 10) for n in (4, 2, 1)]


def test_yolov5s_keeps_its_grid_until_the_size_changes() -> None:
    model = YOLOv5s().eval()
    detect = detect_of(model)
    with torch.no_grad():
        model(torch.zeros(1, 3, 64, 64))
        first = list(detect.grid)
        model(torch.zeros(2, 3, 64, 64))
        second = list(detect.grid)
        model(torch.zeros(1, 3, 64, 32))
    assert all(a is b for a, b in zip(first, second, strict=True))
    assert [tuple(grid.shape) for grid in detect.grid] == [(8, 4, 2), (4, 2, 2), (2, 1, 2)]
    assert detect.grid[0][5, 3].tolist() == [3, 5]


def test_yolov5s_grid_is_no_buffer_but_moves_along() -> None:
    model = YOLOv5s().to(torch.float64)
    assert not [name for name in model.state_dict() if "grid" in name]
    assert {grid.dtype for grid in detect_of(model).grid} == {torch.float64}


def test_lstm_tagger_output() -> None:
    assert LSTMTagger()(torch.zeros(3, 32, dtype=torch.long)).shape == (3, 32, 17)


def test_small_llama() -> None:
    pytest.importorskip("transformers")
    model = small_llama().eval()
    attention, mlp = 256 * (256 + 128 + 128 + 256), 3 * 256 * 704
    assert params(model) == 4 * (attention + mlp + 2 * 256) + 256 + 2 * 4096 * 256
    assert model(torch.zeros(1, 16, dtype=torch.long)).logits.shape == (1, 16, 4096)


@pytest.mark.parametrize(
    ("plain", "changed"),
    [
        (YOLOv5s, lambda: YOLOv5s(repeats=(1, 2, 4, 1))),
        (YOLOv5s, lambda: YOLOv5s(widths=(32, 64, 128, 256, 640))),
        (YOLOv5s, lambda: YOLOv5s(head_repeats=2)),
        (resnet18, lambda: resnet18(repeats=(2, 2, 3, 2))),
        (resnet50, lambda: resnet50(widths=(64, 128, 256, 640))),
        (ViT, lambda: ViT(depth=13)),
        (ViT, lambda: ViT(hidden=2048)),
        (LSTMTagger, lambda: LSTMTagger(hidden=160)),
        (UNet, lambda: UNet(widths=(32, 64, 128, 256, 512))),
    ],
)
def test_a_layer_more_or_wider(
    plain: Callable[[], nn.Module], changed: Callable[[], nn.Module]
) -> None:
    assert params(on_meta(changed)) > params(on_meta(plain))
