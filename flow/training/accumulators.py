"""Sums of bounded width: what a W-bit adder leaves of an exact sum, at the sum's own binary point, without rounding."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from flow.formats import FixedPoint, Overflow
from flow.training.fracs import AtPoint, Frac
from flow.training.grid import limits, overflow_codes
from flow.training.words import Word

__all__ = ["FixedAccumulator"]

_MARGIN = 0.9  # of the range: a sum is called back before it leaves, since outside it has no slope


class _Bounded(torch.autograd.Function):
    """`y = overflow(x)` on the grid of `form`: dy/dx is 1 in range and 0 outside, where a wrap's own slope would lead
    away from the range instead of back into it.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, form: FixedPoint, mode: Overflow) -> Tensor:
        codes = x * math.ldexp(1.0, form.frac)
        low, high = limits(form, mode)
        ctx.save_for_backward((codes >= low) & (codes <= high))
        return overflow_codes(codes, form, mode) * math.ldexp(1.0, -form.frac)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None, None]:
        (inside,) = ctx.saved_tensors
        return upstream * inside, None, None


class FixedAccumulator(AtPoint):
    """float[B, ...] -> same shape, brought to a word at the exact sum's binary point.

    WRAP is what an adder of that width leaves, in whatever order the terms are added. SAT saturates the finished sum,
    which an adder that saturates at every step would not always give.

    Args:
        word: width and sign.
        overflow: WRAP or SAT.

    Attributes:
        excess: of the last training batch, the sum of `max(0, |x| / highest - 0.9)` over a sample, as the mean over
            the samples: a scalar with a gradient; `flow.training.cost.accumulator_excess` adds them up.
    """

    def __init__(self, word: Word, overflow: Overflow) -> None:
        super().__init__()
        self.word, self.overflow = word, overflow
        self.excess: Tensor | None = None

    def format(self, frac: int) -> FixedPoint:
        """The format for sums of so many fractional bits."""
        return FixedPoint(self.word.width, frac, self.word.signed)

    def forward(self, x: Tensor, frac: Frac) -> Tensor:
        if frac is None:
            return x
        form = self.format(frac)
        if self.training and torch.is_grad_enabled():
            beyond = (x.abs() * (1.0 / math.ldexp(max(form.high, 1), -frac)) - _MARGIN).relu()
            self.excess = beyond.sum() / len(x)
        result: Tensor = _Bounded.apply(x, form, self.overflow)
        return result

    def __getstate__(self) -> dict[str, Any]:
        """Without `excess`: a copy has seen no batch."""
        return {**self.__dict__, "excess": None}

    def extra_repr(self) -> str:
        """What print(model) shows of it."""
        return f"{self.word}, {self.overflow.value}"
