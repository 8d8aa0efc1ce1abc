"""Layers with quantised weights, which no meta tensor can run."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor, nn
from torch.ao import quantization

from tests.measure.counting.corpus.case import Case, conv, linear, rnn
from tests.measure.counting.corpus.recurrent import rnn_of
from tests.measure.helpers import x

DYNAMIC = {nn.Linear, nn.LSTM, nn.GRU, nn.LSTMCell, nn.GRUCell, nn.RNNCell}


def dynamic(layer: nn.Module, dtype: torch.dtype = torch.qint8) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = quantization.quantize_dynamic(nn.Sequential(layer).eval(), DYNAMIC, dtype=dtype)
    return model[0]


def static(example: Tensor, *layers: nn.Module, fused: list[str] | None = None) -> nn.Module:
    stubs = quantization.QuantStub(), quantization.DeQuantStub()
    model: Any = nn.Sequential(stubs[0], *layers, stubs[1]).eval()
    transposed = any(isinstance(layer, nn.ConvTranspose2d) for layer in layers)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if fused:
            model = quantization.fuse_modules(model, [fused])
        model.qconfig = (
            quantization.default_qconfig
            if transposed  # has no observer for each channel
            else quantization.get_default_qconfig("fbgemm")
        )
        model = quantization.prepare(model)
        model(example)
        return quantization.convert(model)


def case(name: str, flops: int, example: Tensor, *layers: Any, fused: Any = None) -> Case:
    """A statically quantised model reads its scales by `.item()`."""
    return Case(
        f"static-{name}",
        lambda: (static(example, *(make() for make in layers), fused=fused), example),
        flops,
        "real",
        data_dependent=True,
    )


QUANTISED = [
    Case("dynamic-linear", lambda: (dynamic(nn.Linear(8, 16)), x(3, 8)), linear(3, 8, 16), "fake"),
    Case("dynamic-linear-3d", lambda: (dynamic(nn.Linear(8, 16)), x(2, 3, 8)), linear(6, 8, 16),
         "fake"),
    Case("dynamic-linear-fp16", lambda: (dynamic(nn.Linear(8, 16), torch.float16), x(3, 8)),
         linear(3, 8, 16), "fake"),
    Case("dynamic-lstm", lambda: (rnn_of(dynamic(nn.LSTM(3, 4))), x(5, 2, 3)), rnn(4, 10, 3, 4),
         "fake"),
    Case("dynamic-lstm-fp16", lambda: (rnn_of(dynamic(nn.LSTM(3, 4), torch.float16)), x(5, 2, 3)),
         rnn(4, 10, 3, 4), "fake"),
    Case("dynamic-lstm-bidirectional-2-layers",
         lambda: (rnn_of(dynamic(nn.LSTM(3, 4, 2, bidirectional=True))), x(5, 2, 3)),
         2 * (rnn(4, 10, 3, 4) + rnn(4, 10, 8, 4)), "fake"),
    Case("dynamic-gru", lambda: (rnn_of(dynamic(nn.GRU(3, 4))), x(5, 2, 3)), rnn(3, 10, 3, 4),
         "fake"),
    Case("dynamic-gru-batch-first",
         lambda: (rnn_of(dynamic(nn.GRU(3, 4, batch_first=True))), x(2, 5, 3)),
         rnn(3, 10, 3, 4), "fake"),
    Case("dynamic-gru-bidirectional-2-layers",
         lambda: (rnn_of(dynamic(nn.GRU(3, 4, 2, bidirectional=True))), x(5, 2, 3)),
         2 * (rnn(3, 10, 3, 4) + rnn(3, 10, 8, 4)), "fake"),
    Case("dynamic-lstm-cell", lambda: (dynamic(nn.LSTMCell(3, 4)), x(2, 3)), rnn(4, 2, 3, 4),
         "fake"),
    Case("dynamic-gru-cell", lambda: (dynamic(nn.GRUCell(3, 4)), x(2, 3)), rnn(3, 2, 3, 4),
         "fake"),
    Case("dynamic-rnn-cell", lambda: (dynamic(nn.RNNCell(3, 4)), x(2, 3)), rnn(1, 2, 3, 4),
         "fake"),
    case("linear", linear(3, 8, 16), x(3, 8), lambda: nn.Linear(8, 16)),
    case("linear-3d", linear(6, 8, 16), x(2, 3, 8), lambda: nn.Linear(8, 16)),
    case("linear-relu", linear(3, 8, 16), x(3, 8), lambda: nn.Linear(8, 16), nn.ReLU,
         fused=["1", "2"]),
    case("conv1d", conv(2 * 8, 3, 5, 3), x(2, 3, 10), lambda: nn.Conv1d(3, 5, 3)),
    case("conv1d-relu", conv(2 * 8, 3, 5, 3), x(2, 3, 10), lambda: nn.Conv1d(3, 5, 3), nn.ReLU,
         fused=["1", "2"]),
    case("conv2d", conv(2 * 42, 3, 5, 9), x(2, 3, 8, 9), lambda: nn.Conv2d(3, 5, 3)),
    case("conv2d-grouped", conv(36, 2, 6, 9), x(1, 4, 8, 8), lambda: nn.Conv2d(4, 6, 3, groups=2)),
    case("conv2d-strided", conv(16, 3, 5, 9), x(1, 3, 8, 8), lambda: nn.Conv2d(3, 5, 3, 2, 1)),
    case("conv2d-relu", conv(2 * 42, 3, 5, 9), x(2, 3, 8, 9), lambda: nn.Conv2d(3, 5, 3), nn.ReLU,
         fused=["1", "2"]),
    case("conv3d", conv(2 * 24, 3, 5, 27), x(2, 3, 4, 5, 6), lambda: nn.Conv3d(3, 5, 3)),
    case("conv3d-relu", conv(2 * 24, 3, 5, 27), x(2, 3, 4, 5, 6), lambda: nn.Conv3d(3, 5, 3),
         nn.ReLU, fused=["1", "2"]),
    case("transposed-2d", conv(16, 3, 5, 9), x(1, 3, 4, 4), lambda: nn.ConvTranspose2d(3, 5, 3, 2)),
    case("network", conv(2 * 42, 3, 5, 9) + linear(2, 5, 4), x(2, 3, 8, 9),
         lambda: nn.Conv2d(3, 5, 3), lambda: nn.BatchNorm2d(5), nn.ReLU, lambda: nn.MaxPool2d(2),
         lambda: nn.AdaptiveAvgPool2d(1), nn.Flatten, lambda: nn.Linear(5, 4),
         fused=["1", "2", "3"]),
]  # fmt: skip
