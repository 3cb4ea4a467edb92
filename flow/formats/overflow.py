"""The five overflow modes of ap_fixed, each a formula on integers (UG1399; checked against the compiled headers)."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import FormatError
from flow.formats.fixed_point import FixedPoint

__all__ = ["Overflow", "overflow"]

Codes = NDArray[Any]


class Overflow(Enum):
    """What happens to a code outside the format; the values are the names of ap_fixed."""

    WRAP = "WRAP"
    SAT = "SAT"
    SAT_ZERO = "SAT_ZERO"
    SAT_SYM = "SAT_SYM"
    WRAP_SM = "WRAP_SM"


def _modulo(codes: Codes, period: int) -> Codes:
    """The remainder in `0..period - 1` for a power of two, without a division."""
    floats = np.issubdtype(codes.dtype, np.floating)
    rest: Codes = codes - np.floor(codes * (1 / period)) * period if floats else codes & (period - 1)
    return rest


def _wrap(codes: Codes, target: FixedPoint) -> Codes:
    return _modulo(codes - target.low, 1 << target.width) + target.low


def _saturate(codes: Codes, target: FixedPoint) -> Codes:
    return np.clip(codes, target.low, target.high)


def _zero(codes: Codes, target: FixedPoint) -> Codes:
    return np.where((codes < target.low) | (codes > target.high), codes * 0, codes)


def _symmetric(codes: Codes, target: FixedPoint) -> Codes:
    return np.clip(codes, -target.high if target.signed else 0, target.high)


def _reflect(codes: Codes, target: FixedPoint) -> Codes:
    """A triangle wave of period `2**(W+1)`: 7, 8, .., 15, 16 become 7, 7, .., 0, -1 at four bits."""
    if not target.signed:
        raise FormatError(f"Overflow mode WRAP_SM exists for signed formats only, not {target}; use WRAP.")
    period, half = 1 << (target.width + 1), 1 << (target.width - 1)
    phase = _modulo(codes + half, period) - half
    return np.where(phase < half, phase, 2 * half - 1 - phase)


_MODES: dict[Overflow, Callable[[Codes, FixedPoint], Codes]] = {
    Overflow.WRAP: _wrap,
    Overflow.SAT: _saturate,
    Overflow.SAT_ZERO: _zero,
    Overflow.SAT_SYM: _symmetric,
    Overflow.WRAP_SM: _reflect,
}


def _check_saturated(target: FixedPoint, mode: Overflow, saturated: int) -> None:
    if mode not in _SATURATED:
        raise FormatError(
            f"Saturated bits exist for the overflow modes WRAP and WRAP_SM only, not {mode.value}; "
            f"use 0, not {saturated}."
        )
    if not 0 <= saturated <= target.width:
        raise FormatError(
            f"The saturated bits of {mode.value} must lie in 0..{target.width}, the width of {target}, not {saturated}."
        )


def _wrap_saturated(codes: Codes, target: FixedPoint, saturated: int) -> Codes:
    """Outside the format the top `saturated` bits stick at the end that was passed, the others wrap.

    The sign bit of a signed format keeps the sign. Below zero an unsigned format gets ones as it does above its top.
    """
    kept = 1 << (target.width - saturated)
    top, rest = target.high + 1 - kept, _modulo(codes, kept)
    bottom = target.low if target.signed else top
    outside = np.where(codes < 0, bottom, top) + rest
    return np.where((codes < target.low) | (codes > target.high), outside, codes)


def _reflect_saturated(codes: Codes, target: FixedPoint, saturated: int) -> Codes:
    """Outside the format a triangle wave at the end that was passed, as high as the bits that are not saturated."""
    if not target.signed:
        return _reflect(codes, target)
    kept, negative = 1 << (target.width - saturated), codes < 0
    beyond = np.where(negative, target.low - 1 - codes, codes - target.high - 1)
    phase = _modulo(beyond, 2 * kept)
    depth = np.where(phase < kept, phase, 2 * kept - 1 - phase)
    outside = np.where(negative, target.low + depth, target.high - depth)
    return np.where((codes < target.low) | (codes > target.high), outside, codes)


_SATURATED: dict[Overflow, Callable[[Codes, FixedPoint, int], Codes]] = {
    Overflow.WRAP: _wrap_saturated,
    Overflow.WRAP_SM: _reflect_saturated,
}


def overflow(codes: Codes, target: FixedPoint, mode: Overflow, saturated: int = 0) -> Codes:
    """Bring integer codes into `target`.

    Args:
        codes: int64 or object array, or integers that floats carry, any shape.
        target: format of the result.
        mode: which of the five.
        saturated: the `N` of ap_fixed, for WRAP and WRAP_SM: how many of the top bits saturate instead of wrapping.

    Raises:
        FormatError: WRAP_SM of an unsigned format, or `saturated` bits where there are none to saturate.

    >>> overflow(np.array([7, 8, 9, 23, -9]), FixedPoint(4, 0), Overflow.WRAP, saturated=1)
    array([ 7,  0,  1,  7, -1])
    """
    if saturated:
        _check_saturated(target, mode, saturated)
        return _SATURATED[mode](codes, target, saturated)
    return _MODES[mode](codes, target)
