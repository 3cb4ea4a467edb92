"""What a kernel is told of a quantiser, in the order and the types of `struct Options` in fake_quantize.h."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from flow.formats import Overflow, Rounding

__all__ = ["MINIFLOAT", "OVERFLOWS", "ROUNDINGS", "Options", "packed"]

# Which modes go through the kernels, and their numbers there; a quantiser with any other mode runs in eager torch.
ROUNDINGS = {
    Rounding.TRN: 0,
    Rounding.TRN_ZERO: 1,
    Rounding.RND: 2,
    Rounding.RND_ZERO: 3,
    Rounding.RND_INF: 4,
    Rounding.RND_MIN_INF: 5,
    Rounding.RND_CONV: 6,
}
MINIFLOAT = 7
OVERFLOWS = {Overflow.WRAP: 0, Overflow.SAT: 1, Overflow.SAT_ZERO: 2, Overflow.SAT_SYM: 3, Overflow.WRAP_SM: 4}

_ANYWHERE = 1 << 10  # a bound that bounds nothing: binary points lie within +-160


class Options(NamedTuple):
    """Modes and bounds of one quantiser.

    Attributes:
        rounding: from `ROUNDINGS`, or MINIFLOAT.
        overflow: from `OVERFLOWS`.
        signed: 0 or 1.
        magnitude: bits without the sign, where they are not learned.
        usual: the point about which points are bounded.
        far: how far from it a point lies at most.
        spread: how far right of the leftmost one a point lies at most.
        reach: how far from 0 a point lies at most.
        least: bound of magnitude bits that are learned.
        most: bound of magnitude bits that are learned.
        mantissa: bits of a minifloat.
        rectified: 1 where a ReLU comes before the cast.
        highest: number of a minifloat in units of its lowest subnormal.
    """

    rounding: int
    overflow: int
    signed: int
    magnitude: int = 0
    usual: int = 0
    far: int = 32
    spread: int = _ANYWHERE
    reach: int = _ANYWHERE
    least: int = 0
    most: int = 0
    mantissa: int = 0
    rectified: int = 0
    highest: float = 0.0


@lru_cache(maxsize=1024)
def packed(options: Options) -> Tensor:
    """The options as they lie in memory: int32[13], the last of which holds the bits of a float."""
    highest = torch.tensor([options.highest], dtype=torch.float32).view(torch.int32)
    return torch.cat([torch.tensor(options[:-1], dtype=torch.int32), highest])
