"""Truth tables that buy their bits: of all shorter forms of a table the one whose error and logic together cost least.

A table may do without low bits of its address, down to none, which leaves a constant, and without low bits of its
entries. What it takes in hardware is a part of a LUT for every bit of its entries and of the addition behind it, see
`adder_bits`. With the price `p` of an adder bit, in squared codes of each entry, it takes the form that makes

    sum over entries of (v - c)**2 / p  +  adder bits

least: a Lagrangian of rate and distortion as in `flow.training.priced`, where the entries are single constants. The
real entries go on training either way, so a bit may come back.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from flow.formats import Overflow, Rounding
from flow.training.priced import Bought, covering_point
from flow.training.quantizer import Quantizer, check_finite
from flow.training.spec import Word

__all__ = ["PricedTables", "adder_bits"]

_FREE = 5  # inputs of a LUT inside an addition
# Of a whole design over its tables, ports and registers included: 64-10-10 and 64-16-10 take 978 and 1,497 LUTs by
# pyosys 0.70 on xcup where 1,018 and 1,509 bits are counted.
_WHOLE = 5 / 3
_LEAST_PRICE = 1e-12  # of an adder bit: below it nothing is worth leaving out


def adder_bits(address: Tensor, bits: Tensor) -> Tensor:
    """What tables take in the unit of an addition's bits, any shape.

    Terms of a sum share the five inputs that the LUTs of an addition have free, so a table is as much of an addition as
    its own inputs are of five; the addition takes a LUT for each bit of the entries, and one for what is joined.

    Args:
        address: bits that a table depends on.
        bits: of its entries, 0 for a constant.
    """
    return address / _FREE * _WHOLE * (bits + 1) * (bits > 0)


class PricedTables(Quantizer):
    """Casts tables float[O, I, 2**w] to forms that are worth their price.

    The binary point is set by calibration and not trained.

    Args:
        word: signed, of the longest entries.
        shape: O, I and 2**w.
        place: the tables, for messages.

    Attributes:
        price: float of `shape`, what an adder bit costs as squared error of an entry; a buffer, 0 at the start.
        taken: float[O, I], adder bits of the last cast; a buffer.
    """

    price: Tensor
    taken: Tensor

    def __init__(self, word: Word, shape: tuple[int, int, int], place: str) -> None:
        super().__init__(word, Rounding.RND, Overflow.SAT, place)
        self.frac.requires_grad_(False)
        self.register_buffer("price", torch.zeros(shape))
        self.register_buffer("taken", torch.zeros(shape[:2]))

    def points(self) -> list[nn.Parameter]:
        """None: nothing here is trained but the values."""
        return []

    def move_to_best(self, x: Tensor) -> None:
        """The point that leaves a bit above the largest value."""
        self.frac.fill_(covering_point(x, self.word))

    def follow(self, x: Tensor) -> None:
        """Count what the present values buy."""
        self.taken.copy_(self.encoded(x)[1])

    def encoded(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Codes float64[O, I, 2**w], and the adder bits of every table, float64[O, I]."""
        v = x.detach().double() * math.ldexp(1.0, self.format.frac)
        weight = 1 / (self.price.double() * math.ldexp(1.0, 2 * self.format.frac)).clamp(min=_LEAST_PRICE)
        codes, taken, least = self._form(v, weight, 0)
        for address in range(1, v.shape[-1].bit_length()):
            others, bits, loss = self._form(v, weight, address)
            better = loss < least
            codes = torch.where(better.unsqueeze(-1), others, codes)
            taken, least = torch.where(better, bits, taken), torch.where(better, loss, least)
        return codes, taken

    def _form(self, v: Tensor, weight: Tensor, address: int) -> tuple[Tensor, Tensor, Tensor]:
        """The best of the tables of so many address bits: codes, adder bits, and what both cost together."""
        shared = (*v.shape[:-1], 1 << address, -1)
        parts, weights = v.view(shared), weight.view(shared)
        held = weights.sum(-1)
        means = (parts * weights).sum(-1) / held
        drops = torch.arange(self.word.width - 1 if address else 0, -1, -1, device=v.device).view(-1, 1, 1, 1)
        step = 2.0**drops
        low, high = torch.ceil(self.format.low / step), torch.floor(self.format.high / step)
        whole = torch.floor(means / step + 0.5).clamp(low, high)
        span = whole.amax(-1) - whole.amin(-1)
        bits = torch.frexp(span)[1].double()  # of a whole number its length
        taken = adder_bits(torch.full_like(bits, address), bits)
        codes = whole * step
        best = ((codes - means).square().mul_(held).sum(-1) + taken).argmin(0, keepdim=True)  # the first of equals
        chosen = codes.gather(0, best.unsqueeze(-1).expand(-1, *means.shape))[0]
        spread = chosen.unsqueeze(-1).expand_as(parts).reshape(v.shape)
        bought = taken.gather(0, best)[0]
        return spread, bought, (spread - v).square().mul_(weight).sum(-1) + bought

    def forward(self, x: Tensor) -> Tensor:
        """`x` in the forms that are bought now, which are counted."""
        if self.calibrate:
            with torch.no_grad():
                self.start(x)
        codes, taken = self.encoded(x)
        self.taken.copy_(taken)
        form = self.format
        step = math.ldexp(1.0, -form.frac)
        result: Tensor = Bought.apply(x, (codes * step).to(x.dtype), form.low * step, form.high * step)
        return result

    def codes(self, x: Tensor) -> NDArray[np.int64]:
        check_finite(x, self.place)
        return self.encoded(x)[0].long().cpu().numpy()

    def freeze(self) -> None:
        """Nothing: bits are bought and given back until the end, and the point stands anyway."""

    def extra_repr(self) -> str:
        """What print(model) shows of it."""
        return f"{float(self.taken.sum()):.0f} adder bits bought in {self.format}"
