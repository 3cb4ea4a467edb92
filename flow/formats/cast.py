"""The cast: quantise first, then overflow, with the destination's modes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import DataError
from flow.formats.fixed_point import FixedPoint
from flow.formats.overflow import Overflow, overflow
from flow.formats.rounding import Rounding, round_floats, round_shift

__all__ = ["INT64_BITS", "cast", "cast_bound", "cast_floats", "encode"]

INT64_BITS = 62  # two to spare, for a sum and for the period of WRAP_SM
_CLIPPING = (Overflow.SAT, Overflow.SAT_ZERO, Overflow.SAT_SYM)  # these compare codes, and compute none


def cast(
    codes: NDArray[Any],
    frac: int,
    target: FixedPoint,
    rounding: Rounding = Rounding.TRN,
    mode: Overflow = Overflow.WRAP,
    saturated: int = 0,
) -> NDArray[Any]:
    """Codes with `frac` fractional bits as codes of `target`, as the assignment to an `ap_fixed` does it.

    Args:
        codes: int64 or object array, any shape.
        frac: fractional bits of `codes`.
        target: format of the result.
        rounding: rounding mode of the destination, default that of ap_fixed.
        mode: overflow mode of the destination, default that of ap_fixed.
        saturated: the top bits that saturate under WRAP and WRAP_SM, the `N` of ap_fixed.

    Returns:
        int64 codes of the same shape, or object ones where `target` is wider than 62 bits.

    >>> cast(np.array([-5, 5, 39]), 1, FixedPoint.parse("s4.0"), Rounding.RND, Overflow.SAT)
    array([-2,  3,  7])
    """
    shift = frac - target.frac
    wide = codes.astype(object) if _needs_objects(codes, shift, target) else codes.astype(np.int64)
    result = overflow(round_shift(wide, shift, rounding), target, mode, saturated)
    return result.astype(np.int64) if target.width <= INT64_BITS else result


def _needs_objects(codes: NDArray[Any], shift: int, target: FixedPoint) -> bool:
    largest = max((abs(int(c)) for c in (codes.min(), codes.max())), default=0) if codes.size else 0
    return largest.bit_length() + max(-shift, 0) > INT64_BITS or max(shift, target.width + 2) > INT64_BITS


def cast_floats(codes: NDArray[Any], frac: int, target: FixedPoint, rounding: Rounding, mode: Overflow) -> NDArray[Any]:
    """`cast` of codes that floats carry and go on carrying; exact while `cast_bound` fits their mantissa.

    The array of the codes is overwritten.

    >>> cast_floats(np.array([-5.0, 5.0, 39.0]), 1, FixedPoint.parse("s4.0"), Rounding.RND, Overflow.SAT)
    array([-2.,  3.,  7.])
    """
    return overflow(round_floats(codes, frac - target.frac, rounding), target, mode)


def cast_bound(magnitude: int, frac: int, target: FixedPoint, mode: Overflow) -> int:
    """What nothing on the way of `cast_floats` exceeds, each in units of its own last place.

    Args:
        magnitude: what no code exceeds.
        frac: fractional bits of the codes.
        target: format of the result.
        mode: overflow mode; for codes that stay inside `target` SAT serves, which computes nothing.
    """
    shift = frac - target.frac
    places = max(shift, 1)  # so many bits stand below the point: those that are dropped, and one for the half
    rounding = (magnitude << (places - shift)) + (1 << (places - 1))
    period = 0 if mode in _CLIPPING else 4 << target.width  # twice that of WRAP_SM, the longer one
    return max(rounding, (rounding >> places) + period)


def encode(
    values: NDArray[np.floating[Any]],
    target: FixedPoint,
    rounding: Rounding = Rounding.RND,
    mode: Overflow = Overflow.SAT,
    place: str = "the array",
) -> NDArray[Any]:
    """Real numbers as codes of `target`, exactly: every float is a dyadic rational, so nothing is lost before the cast.

    Raises:
        DataError: a value is NaN or infinite; `place` names where it stood.
    """
    if not np.isfinite(values).all():
        bad = values[~np.isfinite(values)].flat[0]
        raise DataError(f"Fixed point holds finite numbers only, but {place} contains {bad}; replace it first.")
    mantissas, exponents = np.frexp(values.astype(np.float64))
    integers = (mantissas * 2.0**53).astype(np.int64)
    codes = np.empty(values.shape, dtype=np.int64 if target.width <= INT64_BITS else object)
    for exponent in np.unique(exponents):
        where = exponents == exponent
        codes[where] = cast(integers[where], 53 - int(exponent), target, rounding, mode)
    return codes
