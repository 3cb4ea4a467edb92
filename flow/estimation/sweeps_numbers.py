"""The sweeps of multipliers and minifloat cells: combinational, so that one family speaks for both of Xilinx."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping

from flow.synthesis import Family

__all__ = ["NUMBER_SWEEPS"]

Parameters = dict[str, int]
Sweep = Callable[[Family], Iterator[Parameters]]

# Exponent and mantissa bits of the formats of 4 to 8 bits that the OCP names, and a few between.
_MINIFLOATS = ((2, 1), (1, 2), (2, 2), (3, 1), (2, 3), (3, 2), (3, 3), (4, 3), (5, 2))


def _array(family: Family) -> Iterator[Parameters]:
    for a, b in (*((n, n) for n in range(2, 9)), (4, 8), (8, 4), (6, 3), (12, 6), (12, 12)):
        yield {"AWidth": a, "BWidth": b, "ASigned": 1, "BSigned": 1}
    for width in (4, 6, 8):
        yield {"AWidth": width, "BWidth": width, "ASigned": 0, "BSigned": 1}


def _table(family: Family) -> Iterator[Parameters]:
    for a, b in itertools.product((2, 3), (2, 3)):
        yield {"AWidth": a, "BWidth": b, "ASigned": 1, "BSigned": 1}


def _khot(family: Family) -> Iterator[Parameters]:
    for width, digits in itertools.product((4, 6, 8), (1, 2, 3)):
        yield {"AWidth": width, "BWidth": width, "ASigned": 1, "BSigned": 1, "Digits": digits}


def _lmul(family: Family) -> Iterator[Parameters]:
    for exponent, mantissa in _MINIFLOATS[2:]:
        yield {"Exponent": exponent, "Mantissa": mantissa, "Signed": 1, "Bias": (1 << (exponent - 1)) - 1}


def _one(family: Family) -> Iterator[Parameters]:
    for exponent, mantissa in _MINIFLOATS:
        yield {"Exponent": exponent, "Mantissa": mantissa, "Signed": 1}


def _product(family: Family) -> Iterator[Parameters]:
    for exponent, mantissa in _MINIFLOATS:
        yield _pair(exponent, mantissa)


def _pair(exponent: int, mantissa: int) -> Parameters:
    return {"AExponent": exponent, "AMantissa": mantissa, "ASigned": 1, "BExponent": exponent, "BMantissa": mantissa,
            "BSigned": 1}  # fmt: skip


def _dot(family: Family) -> Iterator[Parameters]:
    for simd, (exponent, mantissa) in itertools.product((2, 4, 8), ((2, 1), (2, 2), (3, 1), (2, 3), (3, 2))):
        yield {"Simd": simd, **_pair(exponent, mantissa)}


def _encode(family: Family) -> Iterator[Parameters]:
    for width, (exponent, mantissa) in itertools.product((10, 16), ((2, 1), (2, 3), (3, 2), (3, 3), (4, 3))):
        yield {"InWidth": width, "InSigned": 1, "Shift": 0, "Exponent": exponent, "Mantissa": mantissa, "Signed": 1,
               "Rounding": 2}  # fmt: skip


NUMBER_SWEEPS: Mapping[str, Sweep] = {
    "flow_mul_array": _array,
    "flow_mul_table": _table,
    "flow_mul_khot": _khot,
    "flow_lmul": _lmul,
    "flow_minifloat_mul": _product,
    "flow_minifloat_dot": _dot,
    "flow_minifloat_add": _one,
    "flow_minifloat_decode": _one,
    "flow_minifloat_encode": _encode,
}
