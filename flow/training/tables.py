"""The layer that is a table: hardware's entries go forward, the function's own slope goes back."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from flow.formats import FixedPoint
from flow.training.fracs import AtPoint, Frac, point_of
from flow.training.functions import Function
from flow.training.quantizer import Quantizer
from flow.training.words import Word

__all__ = ["FixedTable"]


class FixedTable(AtPoint):
    """`y = entry of x`, float[B, ...] -> same shape; an entry is the function of its code's value, quantised.

    Entries are computed in float64 for every code of the input's format, so none depends on the precision that carries
    the values. Forward, the quantised function of the carried value gives way to the entry: `soft + (hard - soft)` is
    exact, since both lie on one grid.

    Args:
        function: of one value.
        word: of the input, which addresses the table.
        quantizer: of the entries.
    """

    def __init__(self, function: Function, word: Word, quantizer: Quantizer) -> None:
        super().__init__()
        self.function, self.word, self.quantizer = function, word, quantizer
        self._held: tuple[tuple[FixedPoint, FixedPoint], Tensor] | None = None

    def source(self, frac: int) -> FixedPoint:
        """The input's format."""
        return FixedPoint(self.word.width, frac, self.word.signed)

    def entries(self, frac: int) -> NDArray[np.int64]:
        """int64[2**width]: the codes of the entries in the quantiser's format, for inputs of the lowest code and up."""
        return self.quantizer.codes(torch.from_numpy(self.function.values(self.source(frac)).copy()))

    def _values(self, frac: int) -> Tensor:
        """float64[2**width], made anew only where one of the two formats has moved."""
        form = self.quantizer.format
        key = (self.source(frac), form)
        if self._held is None or self._held[0] != key:
            self._held = key, torch.from_numpy(self.entries(frac) * math.ldexp(1.0, -form.frac))
        return self._held[1]

    def forward(self, x: Tensor, frac: Frac) -> Tensor:
        soft: Tensor = self.quantizer(self.function.soft(x))
        if frac is None:
            return soft
        with torch.no_grad():
            values = self._values(frac).to(x.device, x.dtype)
            places = (x * math.ldexp(1.0, frac)).long() - self.source(frac).low
            hard = values[places.clamp_(0, len(values) - 1)]  # only NaN has no place, and goes on as `soft`
            correction = hard - soft
        return soft + correction

    def point(self, *given: Frac) -> Frac:
        return point_of(self.quantizer)

    def extra_repr(self) -> str:
        """What print(model) shows of it."""
        return f"{self.function.name} of {self.word}"
