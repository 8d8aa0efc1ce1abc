"""YOLOv5s: a detector whose parameters and FLOPs are published row by row."""

# mypy: disable-error-code="no-any-return"

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

STRIDES = (8, 16, 32)
ANCHORS = (  # width and height in pixels, three per stride
    ((10, 13), (16, 30), (33, 23)),
    ((30, 61), (62, 45), (59, 119)),
    ((116, 90), (156, 198), (373, 326)),
)


class Conv(nn.Module):
    """Convolution without bias, batch norm and SiLU."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 1,
        stride: int = 1,
        padding: int | None = None,
    ) -> None:
        super().__init__()
        padding = kernel // 2 if padding is None else padding
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs)
        self.act = nn.SiLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(self.conv(x)))


class Bottleneck(nn.Module):
    """A 1x1 and a 3x3 convolution of one width, with or without the residual."""

    def __init__(self, width: int, residual: bool = True) -> None:
        super().__init__()
        self.cv1 = Conv(width, width)
        self.cv2 = Conv(width, width, 3)
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        y = self.cv2(self.cv1(x))
        return x + y if self.residual else y


class C3(nn.Module):
    """Two branches of half the width, one of them through bottlenecks, fused by the third 1x1."""

    def __init__(self, inputs: int, outputs: int, repeats: int = 1, residual: bool = True) -> None:
        super().__init__()
        half = outputs // 2
        self.cv1 = Conv(inputs, half)
        self.cv2 = Conv(inputs, half)
        self.cv3 = Conv(2 * half, outputs)
        self.m = nn.Sequential(*(Bottleneck(half, residual) for _ in range(repeats)))

    def forward(self, x: Tensor) -> Tensor:
        return self.cv3(torch.cat((self.m(self.cv1(x)), self.cv2(x)), 1))


class SPPF(nn.Module):
    """Spatial pyramid pooling by three max pools in a row: one layer that runs three times."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 5) -> None:
        super().__init__()
        half = inputs // 2
        self.cv1 = Conv(inputs, half)
        self.cv2 = Conv(4 * half, outputs)
        self.m = nn.MaxPool2d(kernel, stride=1, padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        pyramid = [self.cv1(x)]
        for _ in range(3):
            pyramid.append(self.m(pyramid[-1]))
        return self.cv2(torch.cat(pyramid, 1))


class Concat(nn.Module):
    """Feature maps of one size, joined along the channels."""

    def forward(self, *maps: Tensor) -> Tensor:
        return torch.cat(maps, 1)


class Detect(nn.Module):
    """Per anchor a box, its objectness and its class scores, from three feature maps.

    In training mode the three raw maps `[batch, 3, rows, columns, 5 + classes]`; in inference mode
    the boxes in pixels `[batch, boxes, 5 + classes]` and the maps. The grids of cells are kept in a
    list that is no buffer, and made anew when the size of a feature map changes.
    """

    def __init__(self, classes: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.fields = 5 + classes
        self.m = nn.ModuleList(nn.Conv2d(width, 3 * self.fields, 1) for width in widths)
        self.anchors: Tensor
        self.register_buffer("anchors", torch.tensor(ANCHORS, dtype=torch.float32))
        self.grid = [torch.empty(0, 0, 2) for _ in widths]

    def forward(self, *maps: Tensor) -> list[Tensor] | tuple[Tensor, list[Tensor]]:
        raw = [
            conv(x).unflatten(1, (3, self.fields)).permute(0, 1, 3, 4, 2).contiguous()
            for conv, x in zip(self.m, maps, strict=True)
        ]
        if self.training:
            return raw
        return torch.cat([self._decode(level, x) for level, x in enumerate(raw)], 1), raw

    def _decode(self, level: int, x: Tensor) -> Tensor:
        rows, columns = x.shape[2:4]
        if self.grid[level].shape[:2] != (rows, columns):
            self.grid[level] = _cells(rows, columns, x)
        xy, wh, scores = torch.split(x.sigmoid(), [2, 2, self.fields - 4], -1)
        xy = (2 * xy - 0.5 + self.grid[level]) * STRIDES[level]
        wh = (2 * wh) ** 2 * self.anchors[level, :, None, None]
        return torch.cat((xy, wh, scores), -1).flatten(1, 3)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "Detect":
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self.grid = [fn(grid) for grid in self.grid]
        return self


def _cells(rows: int, columns: int, like: Tensor) -> Tensor:
    y, x = (torch.arange(n, dtype=like.dtype, device=like.device) for n in (rows, columns))
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)


class YOLOv5s(nn.Module):
    """The small YOLOv5 (release 6), for images whose sides are multiples of 32.

    `widths` are the five widths of the backbone, `repeats` the bottlenecks of its four C3 layers,
    `head_repeats` those of each C3 layer of the head.
    """

    def __init__(
        self,
        classes: int = 5,
        widths: tuple[int, int, int, int, int] = (32, 64, 128, 256, 512),
        repeats: tuple[int, int, int, int] = (1, 2, 3, 1),
        head_repeats: int = 1,
    ) -> None:
        super().__init__()
        a, b, c, d, e = widths
        rows: list[tuple[tuple[int, ...], nn.Module]] = [  # inputs (-1 is the row above), layer
            ((-1,), Conv(3, a, 6, 2, 2)),
            ((-1,), Conv(a, b, 3, 2)),
            ((-1,), C3(b, b, repeats[0])),
            ((-1,), Conv(b, c, 3, 2)),
            ((-1,), C3(c, c, repeats[1])),
            ((-1,), Conv(c, d, 3, 2)),
            ((-1,), C3(d, d, repeats[2])),
            ((-1,), Conv(d, e, 3, 2)),
            ((-1,), C3(e, e, repeats[3])),
            ((-1,), SPPF(e, e)),
            ((-1,), Conv(e, d)),
            ((-1,), nn.Upsample(scale_factor=2, mode="nearest")),
            ((-1, 6), Concat()),
            ((-1,), C3(2 * d, d, head_repeats, False)),
            ((-1,), Conv(d, c)),
            ((-1,), nn.Upsample(scale_factor=2, mode="nearest")),
            ((-1, 4), Concat()),
            ((-1,), C3(2 * c, c, head_repeats, False)),
            ((-1,), Conv(c, c, 3, 2)),
            ((-1, 14), Concat()),
            ((-1,), C3(2 * c, d, head_repeats, False)),
            ((-1,), Conv(d, d, 3, 2)),
            ((-1, 10), Concat()),
            ((-1,), C3(2 * d, e, head_repeats, False)),
            ((17, 20, 23), Detect(classes, (c, d, e))),
        ]
        self.sources = [sources for sources, _ in rows]
        self.saved = {source for sources in self.sources for source in sources} - {-1}
        self.model = nn.Sequential(*(layer for _, layer in rows))

    def forward(self, images: Tensor) -> list[Tensor] | tuple[Tensor, list[Tensor]]:
        outputs: dict[int, Any] = {-1: images}
        for index, (sources, layer) in enumerate(zip(self.sources, self.model, strict=True)):
            outputs[-1] = layer(*(outputs[source] for source in sources))
            if index in self.saved:
                outputs[index] = outputs[-1]
        return outputs[-1]
