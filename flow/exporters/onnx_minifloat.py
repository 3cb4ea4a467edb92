"""The cast to a minifloat on int64 tensors: a table where the input has few codes, else integer arithmetic.

A magnitude with `s` bits below the minifloat's smallest step lies in binade 0 up to `2**(m+1)` steps, and in binade `k`
from `2**(m+k)` steps on, where the numbers are `2**k` steps apart. So one comparison per binade finds the spacing, and
the rest below it decides whether the magnitude goes up to the next number.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from flow.exporters.onnx_builder import Builder
from flow.formats import INT64_BITS, FloatRounding
from flow.ir import RequantizeMinifloat, Value

__all__ = ["look_up", "requantize_minifloat"]

_TABLE = 1 << 12


def look_up(b: Builder, entries: NDArray[np.int64], first: int, codes: str) -> str:
    """`entries[codes - first]` for a tensor of int64 codes."""
    return b.op("Gather", entries, b.op("Sub", codes, first) if first else codes, axis=0)


def requantize_minifloat(b: Builder, node: RequantizeMinifloat, types: tuple[Value, ...], x: str) -> str:
    """The minifloat next to `x`, in steps."""
    (value,) = types
    if value.high - value.low < _TABLE:
        codes = np.arange(value.high - value.low + 1, dtype=object) + value.low
        return look_up(b, node.of(codes, value.format.frac).astype(np.int64), value.low, x)
    lifted, bits, most = _steps(b, node, value, x)
    magnitude = b.op("Min", _rounded(b, node, lifted, bits, most), node.minifloat.highest_integer)
    signed = b.op("Mul", b.op("Sign", x), magnitude)
    return signed if node.minifloat.signed else b.op("Max", signed, 0)


def _steps(b: Builder, node: RequantizeMinifloat, value: Value, x: str) -> tuple[str, int, int]:
    """`x` with at least the minifloat's fractional bits, how many more it has, and its largest magnitude.

    Where bits are put in, what saturates anyway is clipped first, so that all stays within 62 bits.
    """
    bits, most = value.format.frac - node.minifloat.frac, max(-value.low, value.high)
    highest = node.minifloat.highest_integer
    if bits >= 0:
        return x, bits, most
    if bits < -highest.bit_length():
        return b.op("Mul", b.op("Sign", x), highest), 0, highest
    end = min(most, -(-highest >> -bits))
    return b.op("Mul", b.op("Clip", x, -end, end), 1 << -bits), 0, end << -bits


def _rounded(b: Builder, node: RequantizeMinifloat, x: str, bits: int, most: int) -> str:
    """The magnitude of the result in steps, as if the exponent had no end."""
    if bits > INT64_BITS:  # every code is less than half of the smallest step
        directed = _DIRECTED.get(node.rounding)
        return b.op("Mul", x, 0) if directed is None else _flag(b, b.op(directed, x, 0))
    magnitude = b.op("Abs", x)
    spacing, binade = _spacing(b, node, magnitude, bits, most)
    rest = b.op("Mod", magnitude, spacing)
    below = b.op("Sub", magnitude, rest)
    if node.rounding is not FloatRounding.TOWARD_ZERO:
        raised = _flag(b, _RAISE[node.rounding](b, x, below, rest, spacing, binade))
        below = b.op("Add", below, b.op("Mul", raised, spacing))
    return b.op("Div", below, 1 << bits) if bits else below


def _spacing(b: Builder, node: RequantizeMinifloat, magnitude: str, bits: int, most: int) -> tuple[str, str]:
    """How far the numbers around each magnitude are apart, and what the binade adds to the parity of their codes.

    With mantissa bits a binade has evenly many codes, so the parity of a code is that of its multiple of the spacing.
    """
    form = node.minifloat
    spacing, binade = (b.constant(np.asarray(number)) for number in (1 << bits, 0))
    for k in range(1, min(most >> bits, form.highest_integer).bit_length() - form.mantissa):
        beyond = b.op("GreaterOrEqual", magnitude, 1 << (form.mantissa + k + bits))
        spacing = b.op("Where", beyond, 1 << (bits + k), spacing)
        if form.mantissa == 0:
            binade = b.op("Where", beyond, k, binade)
    return spacing, binade


def _flag(b: Builder, condition: str) -> str:
    return b.op("Cast", condition, to=TensorProto.INT64)


def _nearest_even(b: Builder, x: str, below: str, rest: str, spacing: str, binade: str) -> str:
    """Doubled so that a tie is an integer; an odd code below adds one, which only a tie can feel."""
    odd = b.op("Mod", b.op("Add", b.op("Div", below, spacing), binade), 2)
    return b.op("Greater", b.op("Add", b.op("Mul", rest, 2), odd), spacing)


def _nearest_away(b: Builder, x: str, below: str, rest: str, spacing: str, binade: str) -> str:
    return b.op("GreaterOrEqual", b.op("Mul", rest, 2), spacing)


def _up(b: Builder, x: str, below: str, rest: str, spacing: str, binade: str) -> str:
    return b.op("And", b.op("Greater", x, 0), b.op("Greater", rest, 0))


def _down(b: Builder, x: str, below: str, rest: str, spacing: str, binade: str) -> str:
    return b.op("And", b.op("Less", x, 0), b.op("Greater", rest, 0))


_DIRECTED = {FloatRounding.UP: "Greater", FloatRounding.DOWN: "Less"}

# Each says where the magnitude goes up to the next number.
_RAISE: dict[FloatRounding, Callable[..., str]] = {
    FloatRounding.NEAREST_EVEN: _nearest_even,
    FloatRounding.NEAREST_AWAY: _nearest_away,
    FloatRounding.UP: _up,
    FloatRounding.DOWN: _down,
}
