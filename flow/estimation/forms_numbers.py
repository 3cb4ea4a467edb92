"""The closed forms of multipliers and minifloat cells; widths as in the localparams of their texts."""

from __future__ import annotations

from collections.abc import Mapping

from flow.estimation.forms import Form
from flow.estimation.forms_parts import tree_bits
from flow.synthesis import Family

__all__ = ["NUMBER_FORMS", "encode_features", "minifloat_dot_features"]

Parameters = Mapping[str, int]
Features = dict[str, float]


def _array(p: Parameters, family: Family) -> Features:
    """Rows of half of one operand's bits, each two bits longer than the other; the cheaper choice of the two."""
    a, b = p["AWidth"] + 1 - p["ASigned"], p["BWidth"] + 1 - p["BSigned"]
    rows = min((b + 1) // 2 * (a + 1) - b % 2, (a + 1) // 2 * (b + 1) - a % 2)
    return {"rows": rows, "signs": min((a + 1) // 2, (b + 1) // 2)}


def _table(p: Parameters, family: Family) -> Features:
    return {"product": p["AWidth"] + p["BWidth"], "beyond four": max(p["AWidth"] + p["BWidth"] - 4, 0)}


def _khot(p: Parameters, family: Family) -> Features:
    """A shifter a digit, of as many levels as the exponent has bits, and an adder from digit to digit."""
    width, levels = p["AWidth"] + p["BWidth"], p["BWidth"].bit_length()
    return {"shifters": p["Digits"] * width * levels, "adders": (p["Digits"] - 1) * width, "signs": p["Digits"] * width}


def _lmul(p: Parameters, family: Family) -> Features:
    """Sums of exponents and mantissas, and a choice of the result's ends."""
    return {"sum": p["Exponent"] + p["Mantissa"], "control": 1}


def _minifloat_mul(p: Parameters, family: Family) -> Features:
    """Booth rows of the significands' product, which takes its sign and is then shifted over the sum of the exponents.

    The lowest two exponents are of equal weight, so that one bit of exponent shifts nothing.
    """
    exponent, mantissa = p["AExponent"], p["AMantissa"]
    levels = exponent + 1 if exponent > 1 else 0
    return {
        "rows": (mantissa + 1) * ((mantissa + 2) // 2), "shifter": (2 * mantissa + 3) * levels,
        "places": 2 * ((1 << exponent) - 2),
    }  # fmt: skip


def minifloat_dot_features(p: Parameters, family: Family) -> Features:
    """As many products, and a tree of sums as wide as they are."""
    one = _minifloat_mul(p, family)
    simd, width = p["Simd"], one["places"] + 2 * p["AMantissa"] + 3
    return {**{name: simd * size for name, size in one.items()}, "tree": tree_bits(simd, width)}


def _fixed(p: Parameters) -> int:
    """Bits of a minifloat as a fixed-point number."""
    return (1 << p["Exponent"]) + p["Mantissa"]


def _decode(p: Parameters, family: Family) -> Features:
    return {"places": _fixed(p), "control": 1}


def encode_features(p: Parameters, family: Family) -> Features:
    """A search for the leading one over the input, a shifter down to the mantissa, the rounding's carry."""
    return {
        "search": p["InWidth"], "shifter": p["Mantissa"] * p["InWidth"], "ends": (1 << p["Exponent"]),
        "rounding": p["Exponent"] + p["Mantissa"], "control": 1,
    }  # fmt: skip


def _add(p: Parameters, family: Family) -> Features:
    """Both operands as fixed-point numbers, a sum, and the way back."""
    return {"fixed": _fixed(p), "shifter": p["Mantissa"] * _fixed(p), "exponents": 1 << p["Exponent"], "control": 1}


NUMBER_FORMS: Mapping[str, Form] = {
    "flow_mul_array": Form("flow_mul_array", _array),
    "flow_mul_table": Form("flow_mul_table", _table, bound=40.0),
    "flow_mul_khot": Form("flow_mul_khot", _khot, bound=20.0),
    "flow_lmul": Form("flow_lmul", _lmul, bound=25.0),
    "flow_minifloat_mul": Form("flow_minifloat_mul", _minifloat_mul, bound=20.0),
    "flow_minifloat_dot": Form("flow_minifloat_dot", minifloat_dot_features, bound=20.0),
    "flow_minifloat_add": Form("flow_minifloat_add", _add, bound=25.0),
    "flow_minifloat_decode": Form("flow_minifloat_decode", _decode, bound=30.0),
    "flow_minifloat_encode": Form("flow_minifloat_encode", encode_features, bound=30.0),
}
