"""Networks with residual additions."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

__all__ = ["Residual", "digits_resnet", "resnet8", "resnet20"]


class Residual(nn.Module):
    """relu(shortcut(x) + bn(conv(relu(bn(conv(x)))))): float[B, C, H, W] -> float[B, channels, H / stride, W / stride].

    Args:
        channels: of the result.
        source: of the input, where they differ.
        stride: of the first convolution.

    The shortcut is the input itself, or a 1x1 convolution with BatchNorm where the shape changes.
    """

    def __init__(self, channels: int, source: int | None = None, stride: int = 1) -> None:
        super().__init__()
        source = channels if source is None else source
        self.conv1 = nn.Conv2d(source, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.shortcut: nn.Module = nn.Identity()
        if (source, stride) != (channels, 1):
            self.shortcut = nn.Sequential(nn.Conv2d(source, channels, 1, stride, bias=False), nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.shortcut(x) + self.bn2(self.conv2(y)))


class _DigitsResnet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.block = Residual(8)
        self.down = nn.MaxPool2d(2)
        self.head = nn.Sequential(nn.Conv2d(8, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.head(self.down(self.block(self.stem(x))))
        return self.fc(self.pool(x).flatten(1))


class _ResNet(nn.Module):
    def __init__(self, blocks: int, width: int, channels: int, classes: int, stem_stride: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(channels, width, 3, stem_stride, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )
        widths = [width, width, 2 * width, 4 * width]
        stages = zip(widths, widths[1:], (1, 2, 2), strict=False)
        self.stages = nn.Sequential(*(_stage(blocks, source, width, stride) for source, width, stride in stages))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(widths[-1], classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.pool(self.stages(self.stem(x))).flatten(1))


def _stage(blocks: int, source: int, width: int, stride: int) -> nn.Module:
    return nn.Sequential(Residual(width, source, stride), *(Residual(width) for _ in range(blocks - 1)))


def resnet8(width: int = 16, channels: int = 1, classes: int = 10, stem_stride: int = 1) -> nn.Module:
    """ResNet-8, which MLPerf Tiny classifies images with (arXiv 2106.07597): one block a stage; else as `resnet20`."""
    return _ResNet(1, width, channels, classes, stem_stride)


def resnet20(width: int = 16, channels: int = 1, classes: int = 10, stem_stride: int = 1) -> nn.Module:
    """ResNet-20 (arXiv 1512.03385, section 4.2): three stages of three residual blocks, channels doubled twice.

    Args:
        width: channels of the first stage.
        channels: of the input, float[B, channels, H, W].
        classes: of the answer, float[B, classes].
        stem_stride: 2 quarters the work of everything behind the first convolution.
    """
    return _ResNet(3, width, channels, classes, stem_stride)


def digits_resnet() -> nn.Module:
    """Two convolutions around one residual block, both poolings, and a linear layer; takes float[B, 1, 8, 8]."""
    return _DigitsResnet()
