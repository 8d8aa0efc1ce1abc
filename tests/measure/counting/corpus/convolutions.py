"""Convolutions of every rank."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from tests.measure.counting.corpus.case import Case, conv
from tests.measure.helpers import Fn, x

CONVOLUTIONS = [
    Case("conv1d-depthwise", lambda: (nn.Conv1d(4, 4, 3, groups=4), x(2, 4, 10)),
         conv(2 * 8, 1, 4, 3)),
    Case("conv1d-causal", lambda: (Fn(lambda self, a: self.conv(F.pad(a, (4, 0))),
         conv=nn.Conv1d(3, 5, 3, dilation=2)), x(2, 3, 10)), conv(2 * 10, 3, 5, 3)),
    Case("conv3d-grouped", lambda: (nn.Conv3d(4, 6, 2, groups=2), x(1, 4, 3, 4, 5)),
         conv(2 * 3 * 4, 2, 6, 8)),
    Case("conv3d-strided-dilated", lambda: (nn.Conv3d(3, 5, 2, 2, 1, 2), x(1, 3, 4, 5, 6)),
         conv(2 * 3 * 3, 3, 5, 8)),  # (4 + 2 - 3) // 2 + 1 = 2, then 3 and 3
    Case("conv3d-same", lambda: (nn.Conv3d(3, 5, 3, padding="same"), x(1, 3, 4, 5, 6)),
         conv(4 * 5 * 6, 3, 5, 27)),
    Case("conv2d-mapped", lambda: (Fn(torch.vmap(F.conv2d)), x(4, 1, 3, 8, 8), x(4, 5, 3, 3, 3)),
         conv(4 * 36, 3, 5, 9)),  # a kernel of its own for each image
    Case("conv-tbc", lambda: (Fn(torch.conv_tbc), x(8, 2, 3), x(3, 3, 5), x(5)),
         conv(6 * 2, 3, 5, 3)),
    Case("transposed-1d-grouped", lambda: (nn.ConvTranspose1d(4, 6, 3, groups=2), x(2, 4, 5)),
         conv(2 * 5, 4, 3, 3)),
    Case("transposed-3d-grouped-dilated",
         lambda: (nn.ConvTranspose3d(4, 6, 2, 2, groups=2, dilation=2), x(1, 4, 2, 3, 4)),
         conv(24, 4, 3, 8)),
    Case("f-transposed", lambda: (Fn(F.conv_transpose2d), x(1, 3, 4, 4), x(3, 5, 3, 3)),
         conv(16, 3, 5, 9)),
    Case("unfolded", lambda: (Fn(lambda a, w: w @ F.unfold(a, 3)), x(1, 3, 8, 8), x(5, 27)),
         2 * 5 * 27 * 36),  # a convolution by hand
    Case("conv1d", lambda: (nn.Conv1d(3, 5, 3), x(2, 3, 10)), conv(2 * 8, 3, 5, 3)),
    Case("conv2d", lambda: (nn.Conv2d(3, 5, 3), x(2, 3, 8, 9)), conv(2 * 6 * 7, 3, 5, 9)),
    Case("conv3d", lambda: (nn.Conv3d(3, 5, 3), x(2, 3, 4, 5, 6)),
         conv(2 * 2 * 3 * 4, 3, 5, 27)),
    Case("conv2d-no-bias", lambda: (nn.Conv2d(3, 5, 3, bias=False), x(1, 3, 8, 8)),
         conv(36, 3, 5, 9)),
    Case("conv2d-without-batch", lambda: (nn.Conv2d(3, 5, 3), x(3, 8, 8)), conv(36, 3, 5, 9)),
    Case("conv2d-1x1", lambda: (nn.Conv2d(3, 5, 1), x(1, 3, 8, 8)), conv(64, 3, 5, 1)),
    Case("conv2d-stride-padding", lambda: (nn.Conv2d(3, 5, 3, 2, 1), x(1, 3, 8, 8)),
         conv(16, 3, 5, 9)),  # (8 + 2 - 3) // 2 + 1 = 4
    Case("conv2d-oblong", lambda: (nn.Conv2d(3, 5, (1, 7), padding=(0, 3)), x(1, 3, 8, 8)),
         conv(64, 3, 5, 7)),
    Case("conv2d-grouped", lambda: (nn.Conv2d(4, 6, 3, groups=2), x(1, 4, 8, 8)),
         conv(36, 2, 6, 9)),
    Case("conv2d-depthwise", lambda: (nn.Conv2d(4, 4, 3, groups=4), x(1, 4, 8, 8)),
         conv(36, 1, 4, 9)),
    Case("conv2d-depthwise-multiplied", lambda: (nn.Conv2d(4, 8, 3, groups=4), x(1, 4, 8, 8)),
         conv(36, 1, 8, 9)),
    Case("conv2d-dilated", lambda: (nn.Conv2d(3, 5, 3, dilation=2), x(1, 3, 8, 8)),
         conv(16, 3, 5, 9)),  # 8 - 2 * 2 = 4
    Case("conv2d-same", lambda: (nn.Conv2d(3, 5, 3, padding="same"), x(1, 3, 8, 8)),
         conv(64, 3, 5, 9)),
    Case("conv2d-same-even", lambda: (nn.Conv2d(3, 5, 4, padding="same"), x(1, 3, 8, 8)),
         conv(64, 3, 5, 16)),
    Case("conv2d-same-dilated",
         lambda: (nn.Conv2d(3, 5, 3, padding="same", dilation=2), x(1, 3, 8, 8)),
         conv(64, 3, 5, 9)),
    Case("conv2d-valid", lambda: (nn.Conv2d(3, 5, 3, padding="valid"), x(1, 3, 8, 8)),
         conv(36, 3, 5, 9)),
    Case("conv1d-same", lambda: (nn.Conv1d(3, 5, 4, padding="same"), x(1, 3, 8)),
         conv(8, 3, 5, 4)),
    Case("conv2d-circular", lambda: (nn.Conv2d(3, 5, 3, padding=1, padding_mode="circular"),
         x(1, 3, 8, 8)), conv(64, 3, 5, 9)),
    Case("conv2d-reflect", lambda: (nn.Conv2d(3, 5, 3, padding=1, padding_mode="reflect"),
         x(1, 3, 8, 8)), conv(64, 3, 5, 9)),
    Case("f-conv2d", lambda: (Fn(F.conv2d), x(1, 3, 8, 8), x(5, 3, 3, 3)), conv(36, 3, 5, 9)),
    # In a transposed convolution each input position meets each weight (in, out / groups, kernel).
    Case("transposed-1d", lambda: (nn.ConvTranspose1d(3, 5, 3, 2), x(2, 3, 4)),
         conv(2 * 4, 3, 5, 3)),
    Case("transposed-2d", lambda: (nn.ConvTranspose2d(3, 5, 3, 2), x(1, 3, 4, 4)),
         conv(16, 3, 5, 9)),
    Case("transposed-3d", lambda: (nn.ConvTranspose3d(3, 5, 2, 2), x(1, 3, 2, 3, 4)),
         conv(24, 3, 5, 8)),
    Case("transposed-grouped", lambda: (nn.ConvTranspose2d(4, 6, 3, groups=2), x(1, 4, 5, 5)),
         conv(25, 4, 3, 9)),
    Case("transposed-depthwise", lambda: (nn.ConvTranspose2d(4, 4, 3, groups=4), x(1, 4, 5, 5)),
         conv(25, 4, 1, 9)),
    Case("transposed-output-padding",
         lambda: (nn.ConvTranspose2d(3, 5, 3, 2, 1, output_padding=1), x(1, 3, 4, 4)),
         conv(16, 3, 5, 9)),
    Case("transposed-dilated", lambda: (nn.ConvTranspose2d(3, 5, 3, dilation=2), x(1, 3, 4, 4)),
         conv(16, 3, 5, 9)),
]  # fmt: skip
