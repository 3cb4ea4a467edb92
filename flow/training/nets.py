"""The networks of the demo, in plain torch: nothing in them knows that they will become hardware."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn import functional

__all__ = ["NETS", "Residual", "digits_mlp", "digits_resnet"]


class Residual(nn.Module):
    """relu(x + bn(conv(relu(bn(conv(x)))))): float[B, C, H, W] -> same shape."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(x + self.bn2(self.conv2(y)))


class _DigitsMlp(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(64, 32), nn.Linear(32, 32), nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc3(functional.relu(self.fc2(functional.relu(self.fc1(x.flatten(1))))))


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


def digits_mlp() -> nn.Module:
    """64-32-32-10 with ReLU; takes float[B, 64] or float[B, 1, 8, 8]."""
    return _DigitsMlp()


def digits_resnet() -> nn.Module:
    """Two convolutions around one residual block, both poolings, and a linear layer; takes float[B, 1, 8, 8]."""
    return _DigitsResnet()


NETS: dict[str, Callable[[], nn.Module]] = {"digits_mlp": digits_mlp, "digits_resnet": digits_resnet}
