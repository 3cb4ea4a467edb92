"""A network that looks at sequences as a whole."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["digits_attention"]


class _DigitsAttention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.embed = nn.Linear(8, width)
        self.places = nn.Parameter(0.1 * torch.randn(8, width))
        self.block = nn.TransformerEncoderLayer(width, heads, 2 * width, dropout=0.0, batch_first=True)
        self.head = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        rows = self.embed(x.flatten(1, 2)) + self.places
        return self.head(self.block(rows).mean(1))


def digits_attention(width: int = 16, heads: int = 2) -> nn.Module:
    """One encoder block over the eight rows of an image; takes float[B, 1, 8, 8], gives logits float[B, 10].

    Args:
        width: of a row once it is embedded, a multiple of `heads`.
        heads: of the attention.
    """
    return _DigitsAttention(width, heads)
