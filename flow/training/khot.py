"""Projection of codes onto those with at most K digits; gradients pass it as they pass rounding."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from flow.formats.khot import digit_count
from flow.training.spec import Spec, Word

__all__ = ["DigitProjection", "digit_projection", "few_digits"]

_PROJECTED = ("weights", "scales")  # what is multiplied by; biases and shifts are only added


def few_digits(code: int, k: int, signed_digits: bool) -> bool:
    """Whether a code has at most `k` digits.

    >>> few_digits(7, 2, True), few_digits(7, 2, False)
    (True, False)
    """
    return bool(digit_count(np.array([code]), signed_digits)[0] <= k)


class DigitProjection(nn.Module):
    """The nearest code of a word with at most `k` digits, of two equally near the one closer to zero.

    Equal to `flow.formats.khot.KHot.encode`, by a search in the table of legal magnitudes: at most 2**15 + 1 of them.

    Args:
        word: width, at most 16 bits, and sign.
        k: digits that are not zero.
        signed_digits: whether digits may be -1.
    """

    def __init__(self, word: Word, k: int, signed_digits: bool) -> None:
        super().__init__()
        highest = 1 << (word.width - 1) if word.signed else (1 << word.width) - 1
        magnitudes = np.arange(highest + 1)
        levels = magnitudes[digit_count(magnitudes, signed_digits) <= k]
        self.word = word
        self.top = int(levels[levels < highest][-1]) if word.signed else int(levels[-1])
        self.register_buffer("levels", torch.from_numpy(levels), persistent=False)

    def forward(self, v: Tensor) -> Tensor:
        """Legal codes, of the shape and dtype of `v`, next to the real codes `v`."""
        levels = self.levels.to(v.dtype)
        found = levels[torch.bucketize(v.abs(), (levels[1:] + levels[:-1]) / 2)]
        below = -found if self.word.signed else torch.zeros_like(found)
        return torch.where(v < 0, below, found.clamp(max=self.top))


def digit_projection(spec: Spec, role: str) -> DigitProjection | None:
    """What `spec` asks of the constants of one role, None where every code of the word is legal."""
    if spec.khot is None or role not in _PROJECTED:
        return None
    return DigitProjection(spec.word(role), spec.khot, spec.signed_digits)
