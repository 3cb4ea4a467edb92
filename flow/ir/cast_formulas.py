"""The formulas of the casts: on int64 those of `flow.formats.cast`, in floats those of `flow.formats.cast_floats`."""

from __future__ import annotations

import numpy as np

from flow.formats import FixedPoint, Overflow, cast, cast_floats, encode_minifloat, overflow, round_floats
from flow.ir.carriers import INTEGERS, Carrier, Codes, Formula, Types, lifted
from flow.ir.ops import Requantize, RequantizeEach, RequantizeMinifloat

__all__ = ["requantize", "requantize_each", "requantize_minifloat"]

_DOUBLE = 53
_SATURATING = (Overflow.SAT, Overflow.SAT_SYM)


def requantize(node: Requantize, types: Types, carrier: Carrier) -> Formula:
    """One format for all places."""
    frac, shift = types[0].format.frac, types[0].format.frac - node.format.frac
    if carrier == INTEGERS:
        return lambda x: cast(x, frac, node.format, node.rounding, node.overflow)
    if not node.overflows(types[0]):
        return lambda x: round_floats(x, shift, node.rounding)
    if node.overflow not in _SATURATING:
        return lambda x: cast_floats(x, frac, node.format, node.rounding, node.overflow)
    low, high = _ends(node.format, node.overflow)
    return lambda x: np.clip(round_floats(x, shift, node.rounding), low, high, out=x)


def _ends(form: FixedPoint, mode: Overflow) -> list[int]:
    """The lowest and the highest code that a saturating cast lets through."""
    ends: list[int] = overflow(np.array([form.low, form.high]), form, mode).tolist()
    return ends


def requantize_each(node: RequantizeEach, types: Types, carrier: Carrier) -> Formula:
    """A format for each place."""
    if carrier != INTEGERS and node.overflow in _SATURATING:
        return _saturate_each(node, types, carrier)
    parts = []
    for form in node.formats():
        where = np.broadcast_to(node.places(form), types[0].shape)
        parts.append((where, requantize(node.cast_to(form), types, carrier), node.frac - form.frac))

    def formula(x: Codes) -> Codes:
        result = np.zeros_like(x)
        for where, part, lift in parts:
            result[:, where] = lifted(part(x[:, where]), lift)
        return result

    return formula


def _saturate_each(node: RequantizeEach, types: Types, carrier: Carrier) -> Formula:
    """All places at once, each with a shift, two ends and a factor of its own; a width of 0 has both ends at 0."""
    shifts, ends = np.zeros(node.fracs.shape, np.int64), np.zeros((3, *node.fracs.shape), carrier)
    for form in node.formats():
        where = node.places(form)
        shifts[where] = types[0].format.frac - form.frac
        for row, end in zip(ends, (*_ends(form, node.overflow), 2 ** (node.frac - form.frac)), strict=True):
            row[where] = end
    low, high, factor = ends

    def formula(x: Codes) -> Codes:
        rounded = round_floats(x, shifts, node.rounding)
        np.clip(rounded, low, high, out=rounded)
        rounded *= factor
        return rounded

    return formula


def requantize_minifloat(node: RequantizeMinifloat, types: Types, carrier: Carrier) -> Formula:
    """The numbers of a minifloat."""
    frac = types[0].format.frac
    if types[0].format.width > _DOUBLE:
        return lambda x: node.of(x, frac)

    def formula(x: Codes) -> Codes:
        values = np.ldexp(x.astype(np.float64), -frac)
        return node.minifloat.integers(encode_minifloat(values, node.minifloat, node.rounding)).astype(carrier)

    return formula
