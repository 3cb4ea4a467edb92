"""Softmax in base 2: hardware's shares go forward, the slope of the exact softmax goes back."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from flow.formats import FixedPoint, Overflow, Rounding, TwoPassSoftmax
from flow.training.fracs import AtPoint, Frac
from flow.training.quantizer import Quantizer
from flow.training.words import Word

__all__ = ["FixedSoftmax", "PowerQuantizer", "mantissa_of", "power_word"]

_OCTAVES = 4  # bits of a word that addresses powers beyond those of the table's
_COARSER = 2  # fractional bits that it has less than the table's word: a step of 2**-6 is a hundredth of a power
_GUARD = 4  # bits of a mantissa beyond those of the table's word, at least
_LONGEST = 20


def power_word(tables: Word) -> tuple[Word, int]:
    """The word of what is a power's exponent, and its most fractional bits, which address the table."""
    return Word(tables.width + _OCTAVES, tables.signed), max(tables.width - _COARSER, 0)


def mantissa_of(tables: Word, length: int) -> int:
    """Bits of the mantissas of a row: as the table's word has, and as many more as the row takes by doubling."""
    return min(tables.width + max(_GUARD, (length - 1).bit_length()), _LONGEST)


class PowerQuantizer(Quantizer):
    """The cast of exponents: their binary point stays where the fraction addresses a table.

    Args:
        word: width and sign.
        rounding: rounding mode.
        overflow: overflow mode.
        place: the tensor it quantises, for messages.
        most: fractional bits at most; there are none below 0.
    """

    def __init__(self, word: Word, rounding: Rounding, overflow: Overflow, place: str, most: int) -> None:
        super().__init__(word, rounding, overflow, place)
        self.most = most

    @property
    def format(self) -> FixedPoint:
        form = super().format
        return FixedPoint(form.width, min(max(form.frac, 0), self.most), form.signed)

    def move_to_best(self, x: Tensor) -> None:
        """Set the binary point to where `x` loses least, within its limits."""
        super().move_to_best(x)
        self.follow(x)

    def follow(self, x: Tensor) -> None:
        """Bring the point back within its limits, so that it does not wander off where nothing depends on it."""
        with torch.no_grad():
            self.frac.clamp_(0, self.most)

    def options(self) -> None:
        """No kernel knows the limits."""


class FixedSoftmax(AtPoint):
    """`2**x / sum(2**x)` along an axis of a sample, float[B, ...] -> same shape, bit for bit as `flow.ir.Softmax`.

    Args:
        axis: counted from 0.
        word: of the input.
        mantissa: fractional bits of powers, sums and shares.
    """

    def __init__(self, axis: int, word: Word, mantissa: int) -> None:
        super().__init__()
        self.axis, self.word, self.mantissa = axis, word, mantissa

    def forward(self, x: Tensor, frac: Frac) -> Tensor:
        soft = torch.softmax(x * math.log(2.0), self.axis + 1)
        if frac is None:
            return soft
        with torch.no_grad():
            form = FixedPoint(self.word.width, frac, self.word.signed)
            codes = (x * math.ldexp(1.0, frac)).long().clamp_(form.low, form.high)  # NaN goes on as `soft`
            rows: Any = codes.movedim(self.axis + 1, -1).cpu().numpy()
            shares = torch.from_numpy(TwoPassSoftmax(form, self.mantissa)(rows)).to(x.device, x.dtype)
            hard = shares.movedim(-1, self.axis + 1) * math.ldexp(1.0, -self.mantissa)
        return hard + (soft - soft.detach())

    def point(self, *given: Frac) -> Frac:
        return None if given[0] is None else self.mantissa

    def extra_repr(self) -> str:
        """What print(model) shows of it."""
        return f"axis {self.axis} of {self.word}, {self.mantissa} bits"
