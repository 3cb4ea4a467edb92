"""Casts in the words of QONNX: Quant, which rounds and saturates, and FloatQuant.

A Quant clamps and then rounds, `y = round(clamp(x / s + z)) - z) * s`, which equals rounding and then saturating
because the bounds lie on the grid (not so for WRAP and SAT_ZERO, which QONNX does not have). Its step may be a tensor,
its width may not, so words of several widths are clamped in front of it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flow.errors import ExportError
from flow.exporters.onnx_builder import Builder
from flow.exporters.onnx_cast import rounded_range
from flow.formats import QONNX_ROUNDING, FixedPoint, FloatRounding, Overflow, Rounding, Specials
from flow.ir import Requantize, RequantizeEach, RequantizeMinifloat, Value

__all__ = ["DOMAIN", "cast_bound", "each_bound", "quant", "requantize", "requantize_each", "requantize_minifloat"]

DOMAIN = "qonnx.custom_op.general"

Types = tuple[Value, ...]
Reals = NDArray[np.float32]


def _quant(b: Builder, x: str, steps: Reals, width: int, signed: bool, mode: str, narrow: bool = False) -> str:
    # A signed Quant of one bit means -1 and +1 to QONNX, where one bit of two's complement means -1 and 0.
    parameters = (steps, np.float32(0), np.float32(max(width, 2) if signed else width))
    return b.op(
        "Quant", x, *parameters, domain=DOMAIN, signed=int(signed), narrow=int(narrow), rounding_mode=mode,
    )  # fmt: skip


def quant(b: Builder, x: str, target: FixedPoint, mode: str, narrow: bool = False) -> str:
    """Rounded by `mode` and saturated; one signed bit becomes two."""
    return _quant(b, x, np.float32(2.0**-target.frac), target.width, target.signed, mode, narrow)


def _reach(node: Requantize, value: Value) -> tuple[int, int]:
    """The codes after rounding, before overflow."""
    return rounded_range(value.low, value.high, value.format.frac - node.format.frac, node.rounding)


def _overflow_mode(node: Requantize, value: Value) -> Overflow:
    """The mode, or SAT where the ranges prove that no code overflows."""
    low, high = _reach(node, value)
    floor = -node.format.high if node.overflow is Overflow.SAT_SYM and node.format.signed else node.format.low
    mode = Overflow.SAT if floor <= low and high <= node.format.high else node.overflow
    if mode not in (Overflow.SAT, Overflow.SAT_SYM):
        raise ExportError(
            f"QONNX has no overflow mode {mode.value}, which Requantize {node.name!r} needs for codes "
            f"[{low}, {high}] in {node.format}; use SAT or SAT_SYM, or widen the format."
        )
    return mode


def _has_ties(node: Requantize, value: Value) -> bool:
    shift = value.format.frac - node.format.frac
    return shift > 0 and max(-value.low, value.high).bit_length() >= shift


def _ties(b: Builder, x: str, rounding: Rounding, ties: bool, half: Reals) -> tuple[str, str]:
    """What a Quant rounds, and its mode; `half` is half a step."""
    mode = QONNX_ROUNDING.get(rounding, "ROUND")
    if not ties:
        # Nothing to round, or too little to reach half a step: all nearest modes agree.
        return x, mode if mode in ("FLOOR", "DOWN") else "ROUND"
    if rounding is Rounding.RND:  # ties up: floor(x + 1/2)
        return b.op("Add", x, half), "FLOOR"
    if rounding is Rounding.RND_MIN_INF:  # ties down: ceil(x - 1/2)
        return b.op("Sub", x, half), "CEIL"
    return x, mode


def requantize(b: Builder, node: Requantize, types: Types, x: str) -> str:
    """One format for all places.

    Raises:
        ExportError: an overflow mode that QONNX lacks.
    """
    (value,) = types
    narrow = _overflow_mode(node, value) is Overflow.SAT_SYM and node.format.signed
    half = np.float32(2.0 ** -(node.format.frac + 1))
    rounded, mode = _ties(b, x, node.rounding, _has_ties(node, value), half)
    done = quant(b, rounded, node.format, mode, narrow)
    if (node.format.width, node.format.signed) != (1, True):
        return done
    return b.op("Clip", done, np.float32(0 if narrow else -(2.0**-node.format.frac)), np.float32(0))


def requantize_each(b: Builder, node: RequantizeEach, types: Types, x: str) -> str:
    """Clamped to the words of the places, then rounded by a Quant with their steps.

    Raises:
        ExportError: an overflow mode that QONNX lacks.
    """
    (value,), casts = types, [node.cast_to(form) for form in node.formats()]
    steps, half, low, high = (np.full(node.fracs.shape, fill, dtype=np.float32) for fill in (1, 0, 0, 0))
    for cast in casts:
        where, form = node.places(cast.format), cast.format
        lowest = -form.high if _overflow_mode(cast, value) is Overflow.SAT_SYM else form.low
        steps[where], half[where] = 2.0**-form.frac, 2.0 ** -(form.frac + 1)
        low[where], high[where] = lowest * 2.0**-form.frac, form.high * 2.0**-form.frac
    clamped = b.op("Min", b.op("Max", x, low), high)
    ties = any(_has_ties(cast, value) for cast in casts)
    rounded, mode = _ties(b, clamped, node.rounding, ties, half)
    return _quant(b, rounded, steps, max((cast.format.width for cast in casts), default=1), node.signed, mode)


def requantize_minifloat(b: Builder, node: RequantizeMinifloat, types: Types, x: str) -> str:
    """A FloatQuant, which finds the binade by a logarithm in float32.

    That logarithm may err next to a power of two, by less than 2**-18 of it. The neighbours of a number there lie
    2**-(m+1) apart at least, so to the nearest it is the power of two in either binade; other roundings would differ.

    Raises:
        ExportError: a rounding that is not to the nearest even mantissa.
    """
    form = node.minifloat
    if node.rounding is not FloatRounding.NEAREST_EVEN or form.mantissa == 0:
        raise ExportError(
            f"QONNX's FloatQuant takes the nearest number with ties to the even mantissa, but RequantizeMinifloat "
            f"{node.name!r} needs {node.rounding.value} of {form}; use nearest_even and a mantissa bit, or export "
            "integer ONNX."
        )
    numbers = (1, form.exponent, form.mantissa, form.bias, float(form.high))
    return b.op(
        "FloatQuant", x if form.signed else b.op("Relu", x), *(np.float32(number) for number in numbers), domain=DOMAIN,
        rounding_mode="ROUND", saturation=1, has_inf=int(form.specials is Specials.IEEE),
        has_nan=int(form.specials is not Specials.NONE), has_subnormal=1,
    )  # fmt: skip


def cast_bound(node: Requantize, types: Types) -> int:
    """The largest integer on the way to the result, at its finest binary point."""
    half = 1 << (types[0].format.frac - node.format.frac - 1) if _has_ties(node, types[0]) else 0
    return max(-types[0].low, types[0].high) + half


def each_bound(node: RequantizeEach, types: Types) -> int:
    """As `cast_bound`; where one place has ties, half a step is added at every place."""
    largest, shifts = max(-types[0].low, types[0].high), [types[0].format.frac - form.frac for form in node.formats()]
    if node.rounding not in (Rounding.RND, Rounding.RND_MIN_INF):
        return largest
    lifted = [(largest << max(1 - shift, 0)) + (1 << max(shift - 1, 0)) for shift in shifts]
    ties = any(_has_ties(node.cast_to(form), types[0]) for form in node.formats())
    return max(lifted) if ties else largest
