"""Networks of convolutions in a row: none of their layers reads two values."""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["digits_conv1d", "lenet", "mobilenet", "small_cnn"]


def lenet(
    channels: tuple[int, int] = (6, 16),
    hidden: tuple[int, int] = (120, 84),
    classes: int = 10,
    activation: type[nn.Module] = nn.Tanh,
) -> nn.Module:
    """LeNet-5 (LeCun et al. 1998): two convolutions of 5x5 with average pooling and three dense layers.

    Args:
        channels: of the two convolutions.
        hidden: sizes of the two hidden dense layers.
        classes: of the answer, float[B, classes].
        activation: behind every layer but the last; the original has tanh.

    The net takes float[B, 1, 28, 28], padded to the original's 32 x 32 by its first convolution.
    """
    first, second = channels
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(1, first, 5, padding=2), activation(), nn.AvgPool2d(2)),
        nn.Sequential(nn.Conv2d(first, second, 5), activation(), nn.AvgPool2d(2)),
        nn.Flatten(),
        nn.Sequential(nn.Linear(25 * second, hidden[0]), activation()),
        nn.Sequential(nn.Linear(hidden[0], hidden[1]), activation()),
        nn.Linear(hidden[1], classes),
    )


def _normed(convolution: nn.Module, channels: int) -> nn.Sequential:
    return nn.Sequential(convolution, nn.BatchNorm2d(channels), nn.ReLU())


def _separable(source: int, channels: int, stride: int) -> nn.Sequential:
    """A 3x3 convolution of every channel by itself, then one of 1x1 across them."""
    each = nn.Conv2d(source, source, 3, stride, padding=1, groups=source, bias=False)
    return nn.Sequential(_normed(each, source), _normed(nn.Conv2d(source, channels, 1, bias=False), channels))


def mobilenet(width: int = 8, channels: int = 1, classes: int = 10, stem_stride: int = 1) -> nn.Module:
    """A small MobileNet (arXiv 1704.04861, section 3.1): depthwise separable convolutions, channels doubled twice.

    Args:
        width: channels of the stem.
        channels: of the input, float[B, channels, H, W].
        classes: of the answer, float[B, classes].
        stem_stride: 2 quarters the work of everything behind the first convolution.
    """
    return nn.Sequential(
        _normed(nn.Conv2d(channels, width, 3, stem_stride, padding=1, bias=False), width),
        _separable(width, 2 * width, 1),
        _separable(2 * width, 4 * width, 2),
        _separable(4 * width, 4 * width, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(4 * width, classes),
    )


def small_cnn(width: int = 16, classes: int = 10) -> nn.Module:
    """Three convolutions of 3x3 and a dense layer for 8x8 pixels: what teaches the smaller nets of these data sets.

    Args:
        width: channels of the first convolution, half of those of the others.
        classes: of the answer, float[B, classes], to float[B, 1, 8, 8].
    """
    return nn.Sequential(
        _normed(nn.Conv2d(1, width, 3, padding=1, bias=False), width),
        _normed(nn.Conv2d(width, 2 * width, 3, padding=1, bias=False), 2 * width),
        nn.MaxPool2d(2),
        _normed(nn.Conv2d(2 * width, 2 * width, 3, padding=1, bias=False), 2 * width),
        nn.Flatten(),
        nn.Linear(32 * width, classes),
    )


class _DigitsConv1d(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Sequential(
            nn.Conv1d(8, 16, 3, padding=1, bias=False), nn.BatchNorm1d(16), nn.ReLU(), nn.MaxPool1d(2)
        )
        self.tail = nn.Sequential(nn.Conv1d(16, 16, 3, padding="same"), nn.Sigmoid(), nn.AvgPool1d(2))
        self.fc = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.tail(self.head(x.reshape(-1, 8, 8))).flatten(1))


def digits_conv1d() -> nn.Module:
    """Two convolutions along the columns of a digit, whose rows are channels; takes float[B, 1, 8, 8]."""
    return _DigitsConv1d()
