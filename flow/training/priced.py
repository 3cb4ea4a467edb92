"""Constants that buy their digits: a code is the one whose squared error and digits together cost least.

A product with a constant is one addition for each digit of its code that is not zero, so digits are what a design of
shifts and additions pays for. With the real code `v`, the nearest code of `k` signed digits `c_k` and the price `p` of
a digit, in squared codes, the word takes the `k` that makes `(v - c_k)**2 + k * p` least: a Lagrangian of rate and
distortion (Everett, Operations Research 11(3), 1963), as in rate-distortion optimised quantisation of video. At `p = 0`
it is K-hot; a price above `v**2` prunes. The real value goes on training either way, so a digit may come back.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from flow.formats import Overflow, Rounding
from flow.formats.khot import digit_count
from flow.training.khot import nearest_of_halves
from flow.training.quantizer import Quantizer, check_finite
from flow.training.spec import Word

__all__ = ["DEFAULT_DIGITS", "Bought", "PricedConstant", "covering_point"]

DEFAULT_DIGITS = 3
_HEADROOM = 1  # bits above the largest value at the start: what stays grows as others are pruned


class Bought(torch.autograd.Function):
    """Passes `y` on, the cast of `x`; the gradient goes straight through wherever `x` lies within the word."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, low: float, high: float) -> Tensor:
        ctx.save_for_backward((x >= low) & (x <= high))
        return y

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        (inside,) = ctx.saved_tensors
        return upstream * inside, None, None, None


def covering_point(x: Tensor, word: Word) -> int:
    """Fractional bits of a word that leave a bit above the largest value."""
    largest = float(x.detach().abs().max()) if x.numel() else 0.0
    whole = math.frexp(largest)[1] if largest else 0
    return word.width - word.signed - whole - _HEADROOM


class PricedConstant(Quantizer):
    """Casts a constant to words of as many signed digits as are worth their price.

    The binary point is set by calibration and not trained.

    Args:
        word: signed, at most 16 bits.
        shape: of the constant.
        place: the constant, for messages.
        most: digits that a code may have.
        signed_digits: whether digits may be -1.

    Attributes:
        price: float of `shape`, what one digit costs as squared error of the value; a buffer, 0 at the start.
        bought: int64 of `shape`, digits of the last cast; a buffer.
    """

    price: Tensor
    bought: Tensor
    codes_of: Tensor
    digits_of: Tensor

    def __init__(
        self, word: Word, shape: tuple[int, ...], place: str, most: int = DEFAULT_DIGITS, signed_digits: bool = True
    ) -> None:
        super().__init__(word, Rounding.RND, Overflow.SAT, place)
        self.frac.requires_grad_(False)
        self.signed_digits = signed_digits
        tables = [nearest_of_halves(k, word.width, word.signed, signed_digits) for k in range(1, most + 1)]
        codes = np.stack([np.zeros_like(tables[0][1]), *(table for _, table in tables)])
        self.first = tables[0][0]
        self.register_buffer("codes_of", torch.tensor(codes.astype(np.float64)), persistent=False)
        counts = digit_count(codes.astype(np.int64), signed_digits)
        self.register_buffer("digits_of", torch.tensor(counts.astype(np.float64)), persistent=False)
        self.register_buffer("price", torch.zeros(shape))
        self.register_buffer("bought", torch.zeros(shape, dtype=torch.int64))

    def points(self) -> list[nn.Parameter]:
        """None: nothing here is trained but the values."""
        return []

    def move_to_best(self, x: Tensor) -> None:
        """The point that leaves a bit above the largest value."""
        self.frac.fill_(covering_point(x, self.word))

    def follow(self, x: Tensor) -> None:
        """Count the digits that the present values buy."""
        codes, digits = self.encoded(x)
        self.bought.copy_(digits)
        self.__dict__["_followed"] = (self._state(x), codes)

    def _state(self, x: Tensor) -> tuple[int, ...]:
        """What tells whether codes are still those of `x`."""
        return id(x), x._version, self.price._version, self.frac._version

    def encoded(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Codes, in the dtype of `x`, and their digits, int64; both of the shape of `x`."""
        v = x.detach().double() * math.ldexp(1.0, self.format.frac)  # float64, so that every carrier decides alike
        halves = v * 2
        outward = torch.where(v < 0, halves.floor(), halves.ceil())  # of two equally near codes the one closer to zero
        # NaN is the lowest int64, and clamped after it.
        index = (outward.clamp(-(2.0**20), 2.0**20).long() - self.first).clamp(0, self.codes_of.shape[1] - 1)
        price = self.price.double() * math.ldexp(1.0, 2 * self.format.frac)
        codes, digits, least = torch.zeros_like(v), torch.zeros_like(v), v.square()
        for table, counts in zip(self.codes_of[1:], self.digits_of[1:], strict=True):
            code, count = table[index], counts[index]
            error = (code - v).square_().addcmul_(count, price)
            less = error < least  # of equals the first, which has the fewest digits
            codes, digits = torch.where(less, code, codes), torch.where(less, count, digits)
            least = torch.minimum(error, least)
        return codes.to(x.dtype), digits.long()

    def options(self) -> None:
        """Only eager torch casts it."""

    def eager(self, x: Tensor) -> Tensor:
        state, codes = self.__dict__.pop("_followed", (None, x))  # the forward pass has just followed the same values
        if state != self._state(x):
            codes, _ = self.encoded(x)
        form = self.format
        step = math.ldexp(1.0, -form.frac)
        result: Tensor = Bought.apply(x, codes * step, form.low * step, form.high * step)
        return result

    def codes(self, x: Tensor) -> NDArray[np.int64]:
        check_finite(x, self.place)
        return self.encoded(x)[0].long().cpu().numpy()

    def freeze(self) -> None:
        """Nothing: digits are bought and given back until the end, and the point stands anyway."""

    def extra_repr(self) -> str:
        """What print(model) shows of it."""
        return f"{int(self.bought.sum())} digits bought in {self.format}"
