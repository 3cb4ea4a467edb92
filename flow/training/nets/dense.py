"""Networks of dense layers."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from flow.training.lut_layer import LutDense

__all__ = ["digits_luts", "digits_mlp", "glyph_mlp", "jet_mlp"]


class _DigitsMlp(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(64, 32), nn.Linear(32, 32), nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc3(functional.relu(self.fc2(functional.relu(self.fc1(x.flatten(1))))))


def digits_mlp() -> nn.Module:
    """64-32-32-10 with ReLU; takes float[B, 64] or float[B, 1, 8, 8]."""
    return _DigitsMlp()


def digits_luts(sizes: tuple[int, ...] = (64, 10, 10), hidden: int = 4) -> nn.Module:
    """Sums of functions that become truth tables, 64-10-10; takes float[B, 64] or float[B, 1, 8, 8]."""
    layers = nn.Sequential(nn.Flatten())
    for number, pair in enumerate(pairwise(sizes), start=1):
        layers.add_module(f"lut{number}", LutDense(*pair, hidden))
    return layers


def jet_mlp() -> nn.Module:
    """16-64-32-32-5 with ReLU, the net of the jet-tagging task (arXiv 1804.06913, figure 5); takes float[B, 16]."""
    layers = nn.Sequential()
    for number, sizes in enumerate(pairwise((16, 64, 32, 32, 5)), start=1):
        layers.add_module(f"fc{number}", nn.Linear(*sizes))
        layers.add_module(f"relu{number}", nn.ReLU())
    return layers[:-1]


def glyph_mlp() -> nn.Module:
    """64-32-32-62, each layer with BatchNorm, ReLU between; takes float[B, 1, 8, 8], the data set `glyphs_8x8`."""
    layers = nn.Sequential(nn.Flatten())
    for number, sizes in enumerate(pairwise((64, 32, 32, 62)), start=1):
        layers.add_module(f"fc{number}", nn.Linear(*sizes, bias=False))
        layers.add_module(f"bn{number}", nn.BatchNorm1d(sizes[1]))
        layers.add_module(f"relu{number}", nn.ReLU())
    return layers[:-1]
