"""ResNet-18 and ResNet-50, with the names of layers that torchvision gives."""

# mypy: disable-error-code="no-any-return"

from collections.abc import Sequence

from torch import Tensor, nn

WIDTHS = (64, 128, 256, 512)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a residual."""

    expansion = 1

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(inputs, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    """A 1x1, a 3x3 (which strides) and a 1x1 convolution that widens four times; a residual."""

    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = width * self.expansion
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Sequential | None:
    if stride == 1 and inputs == outputs:
        return None
    conv = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


class ResNet(nn.Module):
    """A stem, four stages of residual blocks and a classifier.

    `repeats` and `widths` are the blocks of each stage and their inner width.
    """

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        repeats: Sequence[int],
        widths: Sequence[int] = WIDTHS,
        classes: int = 1000,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, widths[0], 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        outputs = [widths[0], *(width * block.expansion for width in widths)]
        self.layer1 = _stage(block, outputs[0], widths[0], repeats[0], stride=1)
        self.layer2 = _stage(block, outputs[1], widths[1], repeats[1], stride=2)
        self.layer3 = _stage(block, outputs[2], widths[2], repeats[2], stride=2)
        self.layer4 = _stage(block, outputs[3], widths[3], repeats[3], stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(outputs[-1], classes)

    def forward(self, images: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(x).flatten(1))


def _stage(
    block: type[BasicBlock] | type[Bottleneck], inputs: int, width: int, repeats: int, stride: int
) -> nn.Sequential:
    outputs = width * block.expansion
    rest = (block(outputs, width, 1) for _ in range(repeats - 1))
    return nn.Sequential(block(inputs, width, stride), *rest)


def resnet18(
    repeats: Sequence[int] = (2, 2, 2, 2), widths: Sequence[int] = WIDTHS, classes: int = 1000
) -> ResNet:
    """ResNet-18, for images of 3x224x224."""
    return ResNet(BasicBlock, repeats, widths, classes)


def resnet50(
    repeats: Sequence[int] = (3, 4, 6, 3), widths: Sequence[int] = WIDTHS, classes: int = 1000
) -> ResNet:
    """ResNet-50 (stride in the 3x3, as torchvision's), for images of 3x224x224."""
    return ResNet(Bottleneck, repeats, widths, classes)
