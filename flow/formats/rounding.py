"""The seven rounding modes of ap_fixed, each a formula on integers.

Dropping `s` bits of a code `k` leaves the floor `q = k >> s` and the rest `r = k - (q << s)`; a mode only decides
whether one is added to `q`. Semantics: UG1399, checked against the compiled ap_fixed headers in the tests.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Rounding", "round_floats", "round_shift"]

Codes = NDArray[Any]


class Rounding(Enum):
    """What happens to the bits below the last one kept; the values are the names of ap_fixed."""

    TRN = "TRN"
    TRN_ZERO = "TRN_ZERO"
    RND = "RND"
    RND_ZERO = "RND_ZERO"
    RND_INF = "RND_INF"
    RND_MIN_INF = "RND_MIN_INF"
    RND_CONV = "RND_CONV"


# Each formula takes (q, r, half, negative) and says where the floor must be raised by one.
_RAISE: dict[Rounding, Callable[[Codes, Codes, int, Codes], Codes]] = {
    Rounding.TRN: lambda q, r, half, negative: np.zeros_like(r, dtype=bool),
    Rounding.TRN_ZERO: lambda q, r, half, negative: negative & (r > 0),
    Rounding.RND: lambda q, r, half, negative: r >= half,
    Rounding.RND_MIN_INF: lambda q, r, half, negative: r > half,
    Rounding.RND_ZERO: lambda q, r, half, negative: (r > half) | ((r == half) & negative),
    Rounding.RND_INF: lambda q, r, half, negative: (r > half) | ((r == half) & ~negative),
    Rounding.RND_CONV: lambda q, r, half, negative: (r > half) | ((r == half) & (q & 1 == 1)),
}


def round_shift(codes: Codes, shift: int, rounding: Rounding) -> Codes:
    """Divide integer codes by `2**shift` and round; a negative `shift` multiplies, which is exact.

    Args:
        codes: int64 or object array of any shape; the caller picks object where 63 bits do not suffice.
        shift: bits to drop.
        rounding: which neighbour is taken.
    """
    if shift <= 0:
        lifted: Codes = codes << -shift if shift else codes
        return lifted
    floor = codes >> shift
    rest = codes - (floor << shift)
    raised = _RAISE[rounding](floor, rest, 1 << (shift - 1), codes < 0)
    rounded: Codes = floor + raised.astype(codes.dtype)
    return rounded


# The same on real numbers, in place: what `v` becomes. `v + 0.5` and `v - 0.5` must be exact.
_IN_PLACE: dict[Rounding, Callable[[Codes], Codes]] = {
    Rounding.TRN: lambda v: np.floor(v, out=v),
    Rounding.TRN_ZERO: lambda v: np.trunc(v, out=v),
    Rounding.RND: lambda v: np.floor(np.add(v, 0.5, out=v), out=v),
    Rounding.RND_MIN_INF: lambda v: np.ceil(np.subtract(v, 0.5, out=v), out=v),
    Rounding.RND_ZERO: lambda v: np.copysign(np.ceil(np.abs(v) - 0.5), v, out=v),
    Rounding.RND_INF: lambda v: np.copysign(np.floor(np.abs(v) + 0.5), v, out=v),
    Rounding.RND_CONV: lambda v: np.rint(v, out=v),
}


def round_floats(codes: Codes, shift: int | NDArray[np.int64], rounding: Rounding) -> Codes:
    """`round_shift` of integers that floats carry, in place; exact while `flow.formats.cast_bound` fits their mantissa.

    Args:
        codes: integers as float32 or float64, any shape but that of a scalar; overwritten with the result.
        shift: bits to drop, or so many at each place.
        rounding: which neighbour is taken.

    >>> round_floats(np.array([-5.0, 5.0, 39.0]), 1, Rounding.RND)
    array([-2.,  3., 20.])
    """
    codes *= np.ldexp(1.0, -shift).astype(codes.dtype)
    return _IN_PLACE[rounding](codes)
