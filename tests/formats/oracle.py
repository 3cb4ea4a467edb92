"""The modes of ap_fixed once more, from their definitions, on one Fraction at a time."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cache

from flow.formats import FixedPoint, Overflow, Rounding

HALF = Fraction(1, 2)


def rounded(value: Fraction, mode: Rounding) -> int:
    """The integer that `mode` takes for `value`."""
    below, above = math.floor(value), math.ceil(value)
    if mode is Rounding.TRN:
        return below
    if mode is Rounding.TRN_ZERO:
        return math.trunc(value)
    if value - below != HALF:
        return below if value - below < HALF else above
    towards_zero, away = (below, above) if value > 0 else (above, below)
    return {
        Rounding.RND: above,
        Rounding.RND_MIN_INF: below,
        Rounding.RND_ZERO: towards_zero,
        Rounding.RND_INF: away,
        Rounding.RND_CONV: below if below % 2 == 0 else above,
    }[mode]


def bits(target: FixedPoint, code: int) -> int:
    """`code` cut to the width of `target` and read again, as wires do it."""
    pattern = bin(code & ((1 << target.width) - 1))[2:].zfill(target.width)
    unsigned = int(pattern, 2)
    return unsigned - (1 << target.width) if target.signed and pattern[0] == "1" else unsigned


def reflected(target: FixedPoint, code: int) -> int:
    """The triangle wave: from zero up to the top, which holds twice, down to the bottom, which holds twice, up."""
    quarter = 1 << (target.width - 1)
    phase = code % (4 * quarter)
    if phase < quarter:
        return phase
    return 2 * quarter - 1 - phase if phase < 3 * quarter else phase - 4 * quarter


@cache
def overflowed(code: int, target: FixedPoint, mode: Overflow) -> int:
    """The code of `target` that `mode` makes of `code`."""
    if mode is Overflow.WRAP:
        return bits(target, code)
    if mode is Overflow.WRAP_SM:
        return reflected(target, code)
    bottom = -target.high if mode is Overflow.SAT_SYM and target.signed else target.low
    if bottom <= code <= target.high:
        return code
    if mode is Overflow.SAT_ZERO:
        return 0
    return bottom if code < bottom else target.high


def converted(code: int, frac: int, target: FixedPoint, rounding: Rounding, mode: Overflow) -> int:
    """Round first, then overflow."""
    return overflowed(rounded(Fraction(code) * Fraction(2) ** (target.frac - frac), rounding), target, mode)


def legal(target: FixedPoint) -> list[Overflow]:
    """The overflow modes that exist for a format."""
    return [mode for mode in Overflow if target.signed or mode is not Overflow.WRAP_SM]
