"""Networks whose branches are joined, with several answers."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["digits_branches"]


class _DigitsBranches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.point = nn.Conv2d(1, 2, 1)
        self.near = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4))
        self.far = nn.Sequential(nn.Conv2d(1, 4, 5, padding=2, bias=False), nn.BatchNorm2d(4))
        self.hidden = nn.Linear(10 * 16, 16)
        self.digit, self.parity = nn.Linear(16, 10), nn.Linear(16, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        y = functional.relu(torch.cat([self.point(x), self.near(x), self.far(x)], 1))
        y = functional.relu(self.hidden(functional.max_pool2d(y, 2).flatten(1)))
        return self.digit(y), self.parity(y)


def digits_branches() -> nn.Module:
    """Convolutions of three sizes side by side, joined; takes float[B, 1, 8, 8].

    It answers which digit, float[B, 10], and whether it is odd, float[B, 2]: train it in a loop of your own.
    """
    return _DigitsBranches()
