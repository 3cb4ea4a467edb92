"""Rounding and overflow as formulas on int64 tensors, in the operators every ONNX runtime has.

ONNX has no arithmetic shift (BitShift is for unsigned integers) and its Div truncates, so a floor is
`(x - x mod d) / d` with Mod's remainder of the divisor's sign. Every rounding mode is then a floor of `x` plus an
offset, every overflow mode a Clip or a Mod.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from onnx import TensorProto

from flow.exporters.onnx_builder import Builder
from flow.formats import INT64_BITS, FixedPoint, Overflow, Rounding, round_shift
from flow.ir import Requantize, RequantizeEach, Value

__all__ = ["lift", "requantize", "requantize_each", "rounded_range"]

Range = tuple[int, int]


def lift(b: Builder, x: str, bits: int) -> str:
    """`x << bits`; from 63 bits on the ranges leave only zeros to be lifted."""
    return b.op("Mul", x, 1 << bits if bits <= INT64_BITS else 0) if bits else x


def rounded_range(low: int, high: int, shift: int, rounding: Rounding) -> Range:
    """Where `low..high` lies after dropping `shift` bits: every mode is monotone, so the ends decide."""
    ends = round_shift(np.array([low, high], dtype=object), shift, rounding).tolist()
    return int(ends[0]), int(ends[1])


def _floor(b: Builder, x: str, bits: int) -> str:
    below = b.op("Sub", x, b.op("Mod", x, 1 << bits))
    return b.op("Div", below, 1 << bits)


def _negative(b: Builder, x: str) -> str:
    """One where `x` is negative, else zero."""
    return b.op("Cast", b.op("Less", x, 0), to=TensorProto.INT64)


def _odd(b: Builder, x: str, bits: int) -> str:
    """One where the floor is odd, so that its ties must go up."""
    return b.op("Mod", _floor(b, x, bits), 2)


# Each takes x and the number of dropped bits and returns x plus the offset whose floor is the rounded code.
_OFFSET: dict[Rounding, Callable[[Builder, str, int], str]] = {
    Rounding.TRN: lambda b, x, s: x,
    Rounding.TRN_ZERO: lambda b, x, s: b.op("Add", x, b.op("Mul", _negative(b, x), (1 << s) - 1)),
    Rounding.RND: lambda b, x, s: b.op("Add", x, 1 << (s - 1)),
    Rounding.RND_MIN_INF: lambda b, x, s: b.op("Add", x, (1 << (s - 1)) - 1),
    Rounding.RND_ZERO: lambda b, x, s: b.op("Add", b.op("Add", x, (1 << (s - 1)) - 1), _negative(b, x)),
    Rounding.RND_INF: lambda b, x, s: b.op("Sub", b.op("Add", x, 1 << (s - 1)), _negative(b, x)),
    Rounding.RND_CONV: lambda b, x, s: b.op("Add", b.op("Add", x, (1 << (s - 1)) - 1), _odd(b, x, s)),
}


def _rounded(b: Builder, x: str, bits: int, rounding: Rounding) -> str:
    if bits <= INT64_BITS:
        return _floor(b, _OFFSET[rounding](b, x, bits), bits)
    # Half a step exceeds every 62-bit code: all modes give zero, only the floor of a negative code is minus one.
    return b.op("Sub", 0, _negative(b, x)) if rounding is Rounding.TRN else b.op("Mul", x, 0)


def _centred(b: Builder, x: str, reach: Range, period: int) -> str:
    """The representative of `x` modulo `period` in `-period/2 .. period/2 - 1`."""
    half = period // 2
    if -half <= reach[0] and reach[1] < half:
        return x
    return b.op("Sub", b.op("Mod", b.op("Add", x, half), period), half)


def _wrap(b: Builder, x: str, reach: Range, target: FixedPoint) -> str:
    period = 1 << target.width
    return _centred(b, x, reach, period) if target.signed else b.op("Mod", x, period)


def _reflect(b: Builder, x: str, reach: Range, target: FixedPoint) -> str:
    """Folded at both ends of the format; 62-bit codes never leave one period of 2**(W+1) where W is 62."""
    top, bottom = 2 * target.high + 1, 2 * target.low - 1
    phase = _centred(b, x, reach, 1 << (target.width + 1))
    return b.op("Max", b.op("Min", phase, b.op("Sub", top, phase)), b.op("Sub", bottom, phase))


def _saturate(b: Builder, x: str, reach: Range, target: FixedPoint) -> str:
    return b.op("Clip", x, target.low, target.high)


def _symmetric(b: Builder, x: str, reach: Range, target: FixedPoint) -> str:
    return b.op("Clip", x, -target.high if target.signed else 0, target.high)


def _zero(b: Builder, x: str, reach: Range, target: FixedPoint) -> str:
    return b.op("Where", b.op("Equal", x, b.op("Clip", x, target.low, target.high)), x, 0)


_OVERFLOW: dict[Overflow, Callable[[Builder, str, Range, FixedPoint], str]] = {
    Overflow.WRAP: _wrap,
    Overflow.WRAP_SM: _reflect,
    Overflow.SAT: _saturate,
    Overflow.SAT_SYM: _symmetric,
    Overflow.SAT_ZERO: _zero,
}


def _overflowed(b: Builder, x: str, reach: Range, node: Requantize) -> str:
    low, high = node.format.low, node.format.high
    floor = -high if node.overflow is Overflow.SAT_SYM and node.format.signed else low
    return x if floor <= reach[0] and reach[1] <= high else _OVERFLOW[node.overflow](b, x, reach, node.format)


def _tamed(b: Builder, x: str, bits: int, node: Requantize) -> tuple[str, int, Range]:
    """Codes that can be lifted within 62 bits and still overflow, or wrap, to the same result."""
    target, width = node.format, node.format.width
    if node.overflow in (Overflow.WRAP, Overflow.WRAP_SM):
        kept = width + (node.overflow is Overflow.WRAP_SM) - bits
        if kept <= 0:
            return b.op("Mul", x, 0), 0, (0, 0)
        any_code, half = (-(1 << INT64_BITS), 1 << INT64_BITS), 1 << (kept - 1)
        return _centred(b, x, any_code, 1 << kept), bits, (-half, half - 1)
    # What lies outside the format stays outside; from W bits on every code but zero does.
    bits = min(bits, width)
    low, high = -(-target.low >> bits) - 1, (target.high >> bits) + 1
    return b.op("Clip", x, low, high), bits, (low, high)


def _lifted(b: Builder, x: str, reach: Range, bits: int, node: Requantize) -> tuple[str, Range]:
    if max(abs(end) for end in reach).bit_length() + bits > INT64_BITS:
        x, bits, reach = _tamed(b, x, bits, node)
    return lift(b, x, bits), (reach[0] << bits, reach[1] << bits)


def requantize(b: Builder, node: Requantize, types: tuple[Value, ...], x: str) -> str:
    """Round, then overflow, with the modes of `node`; steps that the ranges prove idle are left out."""
    (value,) = types
    shift, reach = value.format.frac - node.format.frac, (value.low, value.high)
    if shift > 0:
        x, reach = _rounded(b, x, shift, node.rounding), rounded_range(*reach, shift, node.rounding)
    else:
        x, reach = _lifted(b, x, reach, -shift, node)
    return _overflowed(b, x, reach, node)


def requantize_each(b: Builder, node: RequantizeEach, types: tuple[Value, ...], x: str) -> str:
    """The places of each format are gathered, cast as one, and put back where they were."""
    (value,), forms = types, node.formats()
    if len(forms) == 1 and node.widths.codes.all():
        return requantize(b, node.cast_to(forms[0]), types, x)
    flat = b.op("Reshape", x, np.array([0, value.size]))
    masks = [np.broadcast_to(node.places(form), value.shape).ravel() for form in forms]
    pruned = ~np.any([np.zeros(value.size, dtype=bool), *masks], axis=0)
    order = [np.flatnonzero(mask) for mask in (*masks, pruned)]
    taken = [b.op("Gather", flat, places, axis=1) for places in order if places.size]
    casts = zip(forms, taken, strict=False)  # without a cast are only the places of no bits
    parts = [lift(b, requantize(b, node.cast_to(form), types, part), node.frac - form.frac) for form, part in casts]
    parts += [b.op("Mul", part, 0) for part in taken[len(forms) :]]
    joined = b.op("Concat", *parts, axis=1)
    back = b.op("Gather", joined, np.argsort(np.concatenate(order)), axis=1)
    return b.op("Reshape", back, np.array([0, *value.shape]))
