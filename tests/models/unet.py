"""U-Net: segmentation with skip connections and transposed convolutions."""

# mypy: disable-error-code="no-any-return"

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn


class DoubleConv(nn.Sequential):
    """Twice a 3x3 convolution, batch norm and ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class UNet(nn.Module):
    """Scores of classes per pixel; each width after the first halves the size of the maps.

    The sides of an image must be multiples of `2 ** (len(widths) - 1)`.
    """

    def __init__(
        self, widths: Sequence[int] = (32, 64, 128, 256), channels: int = 3, classes: int = 2
    ) -> None:
        super().__init__()
        up = list(pairwise(reversed(widths)))
        self.encoder = nn.ModuleList(DoubleConv(a, b) for a, b in pairwise((channels, *widths)))
        self.pool = nn.MaxPool2d(2)
        self.up = nn.ModuleList(nn.ConvTranspose2d(a, b, 2, stride=2) for a, b in up)
        self.decoder = nn.ModuleList(DoubleConv(2 * b, b) for _, b in up)
        self.head = nn.Conv2d(widths[0], classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        first, *rest = self.encoder
        maps = [first(images)]
        for encode in rest:
            maps.append(encode(self.pool(maps[-1])))
        x = maps.pop()
        for up, decode in zip(self.up, self.decoder, strict=True):
            x = decode(torch.cat((maps.pop(), up(x)), 1))
        return self.head(x)
