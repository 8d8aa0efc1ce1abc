"""Budgets of the test models: the plugin used on models as its users have them."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from tests.models.llama import small_llama
from tests.models.resnet import resnet18, resnet50
from tests.models.tagger import LSTMTagger
from tests.models.unet import UNet
from tests.models.vit import ViT
from tests.models.yolov5 import YOLOv5s
from tests.models.yolov5_published import PUBLISHED, PUBLISHED_GFLOPS, PUBLISHED_PARAMS

FlopBudget = Callable[..., Any]


def test_yolov5s(flop_budget: FlopBudget) -> None:
    profile = flop_budget(YOLOv5s(), torch.zeros(1, 3, 640, 640))
    assert profile.flops == 15_788_441_600


@pytest.mark.flop_budget(engine="yolov5")
def test_yolov5s_as_published(flop_budget: FlopBudget) -> None:
    profile = flop_budget(YOLOv5s(), torch.zeros(1, 3, 640, 640))
    assert (profile.params, f"{profile.gflops:.3f}") == (PUBLISHED_PARAMS, PUBLISHED_GFLOPS)
    for row in PUBLISHED:
        layer = profile[f"model.{row.index}"]
        measured = (layer.type, layer.params, f"{layer.flops / 1e9:.2f}")
        assert measured == (row.type, row.params, row.gflops)


@pytest.mark.parametrize("build", [resnet18, resnet50])
def test_resnet(flop_budget: FlopBudget, build: Callable[[], nn.Module]) -> None:
    flop_budget(build(), torch.zeros(1, 3, 224, 224))


@pytest.mark.flop_budget(mode="training")
def test_resnet18_training(flop_budget: FlopBudget) -> None:
    flop_budget(resnet18(), torch.zeros(2, 3, 64, 64))


def test_vit(flop_budget: FlopBudget) -> None:
    flop_budget(ViT(), torch.zeros(1, 3, 224, 224))


def test_small_llama(flop_budget: FlopBudget) -> None:
    pytest.importorskip("transformers")
    flop_budget(small_llama(), torch.zeros(1, 64, dtype=torch.long))


def test_lstm_tagger(flop_budget: FlopBudget) -> None:
    flop_budget(LSTMTagger(), torch.zeros(1, 32, dtype=torch.long))


def test_unet(flop_budget: FlopBudget) -> None:
    flop_budget(UNet(), torch.zeros(1, 3, 128, 128))
