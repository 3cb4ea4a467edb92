"""What a cast really does to the codes that can reach it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from flow.formats import FixedPoint, Overflow, Rounding, cast
from flow.ir import Requantize, Value

__all__ = ["loses_nothing", "narrowed", "never_overflows", "relaxed"]

_TRIED = 1 << 16  # codes; a cast of more keeps its modes

# From the cheapest on: what needs no adder, then half a step, then what looks at the sign or the last bit.
_ROUNDINGS = (
    Rounding.TRN, Rounding.RND, Rounding.RND_MIN_INF, Rounding.TRN_ZERO, Rounding.RND_ZERO, Rounding.RND_INF,
    Rounding.RND_CONV,
)  # fmt: skip
_SATURATING = (Overflow.SAT, Overflow.SAT_SYM)
_OF_POSITIVE = {
    Rounding.TRN_ZERO: Rounding.TRN,
    Rounding.RND_INF: Rounding.RND,
    Rounding.RND_ZERO: Rounding.RND_MIN_INF,
}


def _reach(node: Requantize, value: Value) -> tuple[int, int]:
    """The codes after rounding, before overflow."""
    ends = np.array([value.low, value.high], dtype=object)
    wide = FixedPoint(1024, node.format.frac)
    low, high = cast(ends, value.format.frac, wide, node.rounding, Overflow.SAT).tolist()
    return int(low), int(high)


def never_overflows(node: Requantize, value: Value) -> bool:
    """Whether every rounded code lies in the format, and in the part of it that the mode leaves."""
    low, high = _reach(node, value)
    symmetric = node.overflow is Overflow.SAT_SYM and node.format.signed
    return node.format.holds(low, high) and not (symmetric and low < -node.format.high)


def loses_nothing(node: Requantize, value: Value) -> bool:
    """Whether every value passes unchanged."""
    return node.format.frac >= value.format.frac and never_overflows(node, value)


def relaxed(node: Requantize, value: Value) -> Requantize:
    """The same cast with the cheapest modes that agree on every code in range."""
    if value.format.frac <= node.format.frac:
        node = replace(node, rounding=Rounding.TRN)
    if never_overflows(node, value):
        node = replace(node, overflow=Overflow.WRAP)
    elif not node.format.signed and node.overflow in _SATURATING:
        # What is negative becomes 0 however it is rounded, and there is no lowest code to leave out.
        node = replace(node, overflow=Overflow.SAT, rounding=_OF_POSITIVE.get(node.rounding, node.rounding))
    result = node.infer(value)
    if value.high - value.low < _TRIED:
        codes = np.arange(value.low, value.high + 1)
    elif result.low == result.high:  # rounding is monotone, so that the ends speak for all
        codes = np.array([value.low, value.high])
    else:
        return node
    wanted = _cast(codes, value, node)
    for mode in _modes(node):
        for rounding in _ROUNDINGS:
            tried = replace(node, rounding=rounding, overflow=mode)
            if np.array_equal(_cast(codes, value, tried), wanted):
                return tried
    return node


def _modes(node: Requantize) -> tuple[Overflow, ...]:
    """What may replace the overflow mode: only what saturates, so that the range stays as tight as it is."""
    saturating = node.overflow in _SATURATING
    return tuple(dict.fromkeys((Overflow.SAT, node.overflow))) if saturating else (node.overflow,)


def _cast(codes: np.ndarray, value: Value, node: Requantize) -> np.ndarray:
    return cast(codes, value.format.frac, node.format, node.rounding, node.overflow)


def narrowed(node: Requantize, value: Value) -> Requantize:
    """The same cast into the narrowest format that gives the same codes."""
    result, (low, high) = node.infer(value), _reach(node, value)
    form = FixedPoint.holding(result.low, result.high, node.format.frac)
    if form.width >= node.format.width:
        return node
    if form.holds(low, high):
        return replace(node, format=form, overflow=Overflow.WRAP)
    # What saturates, saturates at an end of the old format; a narrower one that holds this end has it as its own.
    return replace(node, format=form, overflow=Overflow.SAT) if node.overflow in _SATURATING else node
