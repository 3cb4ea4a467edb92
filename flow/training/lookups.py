"""Embeddings: a row of trained values for every integer of the input."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from flow.training.fracs import Constant, Frac, Layer, point_of
from flow.training.quantizer import Quantizer
from flow.training.words import Word

__all__ = ["FixedLookup", "IndexQuantizer"]


class IndexQuantizer(Quantizer):
    """The cast of integers that number rows: its binary point stands behind the last bit and is never trained."""

    def __init__(self, word: Word, place: str) -> None:
        super().__init__(word, place=place)
        self.frac.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        """`x`, of any number type, rounded and saturated: float of the same shape."""
        return x.to(self.frac.dtype).round().clamp(0, (1 << self.word.width) - 1)

    def move_to_best(self, x: Tensor) -> None:
        """Nothing moves."""

    def points(self) -> list[nn.Parameter]:
        return []


class FixedLookup(Layer):
    """float[B, ...] of integers -> float[B, ..., D]; beyond the last row stand zeros, up to the last code there is.

    Args:
        weight: float[V, D], the rows.
        quantizer: of the rows.
        count: how many codes the input has, at least V.
    """

    def __init__(self, weight: nn.Parameter, quantizer: Quantizer, count: int) -> None:
        super().__init__()
        self.weight, self.quantizer, self.count = weight, quantizer, count

    def forward(self, x: Tensor) -> Tensor:
        rows = functional.pad(self.quantizer(self.weight), (0, 0, 0, self.count - len(self.weight)))
        return functional.embedding(x.to(torch.int64), rows)

    def codes(self) -> NDArray[np.int64]:
        """int64[count, D] in the quantiser's format."""
        own = self.quantizer.codes(self.weight)
        return np.pad(own, ((0, self.count - len(own)), (0, 0)))

    def constants(self) -> tuple[Constant, ...]:
        return ((self.weight, self.quantizer),)

    def point(self, *given: Frac) -> Frac:
        return point_of(self.quantizer)
