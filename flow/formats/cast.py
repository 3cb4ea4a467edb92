"""The cast: quantise first, then overflow, with the destination's modes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import DataError
from flow.formats.fixed_point import FixedPoint
from flow.formats.overflow import Overflow, overflow
from flow.formats.rounding import Rounding, round_shift

__all__ = ["INT64_BITS", "cast", "encode"]

INT64_BITS = 62  # two to spare, for a sum and for the period of WRAP_SM


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
