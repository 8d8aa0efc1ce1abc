"""Layers that cost nothing by convention."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.measure.counting.corpus.case import Case
from tests.measure.helpers import Fn, x

TOKENS = torch.zeros(2, 5, dtype=torch.long)


def sampled(image: Tensor, theta: Tensor) -> Tensor:
    return F.grid_sample(image, F.affine_grid(theta, [1, 3, 5, 6], False), align_corners=False)


FREE = [
    Case("grid-sample", lambda: (Fn(sampled), x(1, 3, 4, 4), x(1, 2, 3)), 0),
    Case("grid-sample-3d", lambda: (Fn(partial(F.grid_sample, align_corners=False)), x(1, 3, 4, 4, 4), x(1, 2, 2, 2, 3)), 0),
    Case("fold", lambda: (nn.Fold((4, 5), 2), x(1, 12, 12)), 0),
    Case("max-unpool", lambda: (Fn(lambda a: F.max_unpool2d(*F.max_pool2d(a, 2,
         return_indices=True), 2)), x(1, 3, 4, 4)), 0),
    Case("cross-entropy", lambda: (nn.CrossEntropyLoss(), x(2, 5), TOKENS[:, 0]), 0),
    Case("ctc", lambda: (Fn(lambda p: F.ctc_loss(p, torch.ones(2, 3, dtype=torch.long), (5, 5),
         (3, 3))), x(5, 2, 4)), 0, never=("fake",)),
    Case("losses", lambda: (Fn(lambda a, b: F.mse_loss(a, b) + F.l1_loss(a, b)
         + F.smooth_l1_loss(a, b) + F.huber_loss(a, b) + F.kl_div(a, b, reduction="batchmean")),
         x(2, 5), x(2, 5)), 0),
    Case("sorting", lambda: (Fn(lambda a: a.sort(-1).values + a.cumsum(-1) + a.topk(5).values),
         x(2, 5)), 0),
    Case("scatter", lambda: (Fn(lambda a: torch.zeros(2, 7).scatter_add(1, TOKENS, a)), x(2, 5)),
         0),
    Case("embedding", lambda: (nn.Embedding(10, 4), TOKENS), 0),
    Case("embedding-bag", lambda: (nn.EmbeddingBag(10, 4), TOKENS), 0),
    Case("identity", lambda: (nn.Identity(), x(2, 3)), 0),
    Case("no-operator", lambda: (Fn(lambda row: row), x(2, 3)), 0),
    *(
        Case(f"free-{type(layer).__name__}", lambda layer=layer, shape=shape: (layer, x(*shape)), 0)
        for shape, layers in {
            (2, 4): [
                nn.ReLU(), nn.ReLU6(), nn.GELU(), nn.SiLU(), nn.Mish(), nn.ELU(), nn.SELU(),
                nn.CELU(), nn.Sigmoid(), nn.Tanh(), nn.Hardswish(), nn.Hardsigmoid(),
                nn.Hardtanh(), nn.Hardshrink(), nn.Softshrink(), nn.Tanhshrink(), nn.Softplus(),
                nn.Softsign(), nn.LogSigmoid(), nn.LeakyReLU(), nn.PReLU(), nn.RReLU(), nn.GLU(),
                nn.Threshold(0, 1), nn.Softmax(1), nn.LogSoftmax(1), nn.Softmin(1), nn.Dropout(),
                nn.AlphaDropout(), nn.BatchNorm1d(4), nn.LayerNorm(4), nn.RMSNorm(4),
                nn.Flatten(), nn.Unflatten(1, (2, 2)),
            ],
            (2, 4, 8): [
                nn.InstanceNorm1d(4), nn.MaxPool1d(2), nn.AvgPool1d(2), nn.LPPool1d(2, 2),
                nn.AdaptiveAvgPool1d(3), nn.AdaptiveMaxPool1d(3), nn.ReflectionPad1d(1),
                nn.ReplicationPad1d(1), nn.ConstantPad1d(1, 0), nn.CircularPad1d(1),
                nn.ZeroPad1d(1),
            ],
            (2, 4, 8, 8): [
                nn.BatchNorm2d(4), nn.GroupNorm(2, 4), nn.InstanceNorm2d(4),
                nn.LocalResponseNorm(2), nn.MaxPool2d(2), nn.AvgPool2d(2), nn.LPPool2d(2, 2),
                nn.FractionalMaxPool2d(2, output_size=3), nn.AdaptiveAvgPool2d(1),
                nn.AdaptiveAvgPool2d(3), nn.AdaptiveMaxPool2d(3), nn.ReflectionPad2d(1),
                nn.ReplicationPad2d(1), nn.ZeroPad2d(1), nn.CircularPad2d(1),
                nn.PixelShuffle(2), nn.PixelUnshuffle(2), nn.ChannelShuffle(2), nn.Softmax2d(),
                nn.Dropout2d(), nn.Upsample(scale_factor=2), nn.UpsamplingBilinear2d(scale_factor=2),
                nn.Upsample(scale_factor=2, mode="bicubic"), nn.Unfold(3), nn.FeatureAlphaDropout(),
            ],
            (2, 4, 4, 4, 4): [
                nn.BatchNorm3d(4), nn.InstanceNorm3d(4), nn.MaxPool3d(2), nn.AvgPool3d(2),
                nn.AdaptiveAvgPool3d(2), nn.AdaptiveMaxPool3d(2), nn.ReplicationPad3d(1),
                nn.ReflectionPad3d(1), nn.Dropout3d(), nn.Upsample(scale_factor=2, mode="trilinear"),
            ],
        }.items()
        for layer in layers
    ),
]  # fmt: skip
