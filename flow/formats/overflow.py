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


def _wrap(codes: Codes, target: FixedPoint) -> Codes:
    return (codes - target.low) % (1 << target.width) + target.low


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
    phase = (codes + half) % period - half
    return np.where(phase < half, phase, 2 * half - 1 - phase)


_MODES: dict[Overflow, Callable[[Codes, FixedPoint], Codes]] = {
    Overflow.WRAP: _wrap,
    Overflow.SAT: _saturate,
    Overflow.SAT_ZERO: _zero,
    Overflow.SAT_SYM: _symmetric,
    Overflow.WRAP_SM: _reflect,
}


def overflow(codes: Codes, target: FixedPoint, mode: Overflow) -> Codes:
    """Bring integer codes (int64 or object, any shape) into `target` by `mode`."""
    return _MODES[mode](codes, target)
