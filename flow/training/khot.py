"""Projection of codes onto those with at most K digits; gradients pass it as they pass rounding."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from flow.formats.khot import KHot, digit_count
from flow.training.spec import Spec, Word

__all__ = ["DigitProjection", "digit_projection", "few_digits", "nearest_of_halves"]

_PROJECTED = ("weights", "scales")  # what is multiplied by; biases and shifts are only added


def few_digits(code: int, k: int, signed_digits: bool) -> bool:
    """Whether a code has at most `k` digits.

    >>> few_digits(7, 2, True), few_digits(7, 2, False)
    (True, False)
    """
    return bool(digit_count(np.array([code]), signed_digits)[0] <= k)


@lru_cache(maxsize=32)
def nearest_of_halves(k: int, width: int, signed: bool, signed_digits: bool) -> tuple[int, NDArray[np.float32]]:
    """The first multiple of one half in a word, in halves, and the legal code next to it and to each that follows.

    Legal codes are whole, so what lies between two of them changes hands at a multiple of one half.
    """
    form = KHot(k, width if signed else width + 1, 0, signed_digits)
    first = 2 * form.fixed_point.low if signed else 0
    halves = np.arange(first, 2 * form.fixed_point.high + 1)
    return first, form.nearest(halves, extra=1).astype(np.float32)


class DigitProjection(nn.Module):
    """The nearest code of a word with at most `k` digits, of two equally near the one closer to zero.

    A table of `flow.formats.khot.KHot.nearest`, at most 2**17 long.

    Args:
        word: width, at most 16 bits, and sign.
        k: digits that are not zero.
        signed_digits: whether digits may be -1.
    """

    def __init__(self, word: Word, k: int, signed_digits: bool) -> None:
        super().__init__()
        self.first, codes = nearest_of_halves(k, word.width, word.signed, signed_digits)
        self.register_buffer("codes", torch.tensor(codes), persistent=False)

    def forward(self, v: Tensor) -> Tensor:
        """Legal codes, of the shape and dtype of `v`, next to the real codes `v`."""
        halves = v * 2
        outward = torch.where(v < 0, halves.floor(), halves.ceil())  # so that a tie goes to zero, and nothing else does
        index = outward.clamp_(self.first, self.first + len(self.codes) - 1).sub_(self.first).to(torch.int32)
        return self.codes[index.clamp_(min=0)].to(v.dtype)  # NaN is the lowest int32


def digit_projection(spec: Spec, role: str) -> DigitProjection | None:
    """What `spec` asks of the constants of one role, None where every code of the word is legal."""
    if spec.khot is None or role not in _PROJECTED:
        return None
    return DigitProjection(spec.word(role), spec.khot, spec.signed_digits)
