"""Number formats: what a code means, and how one format becomes another. Needs numpy only."""

from flow.formats.cast import cast, encode
from flow.formats.fixed_point import FixedPoint
from flow.formats.minifloat import Minifloat, Specials
from flow.formats.minifloat_cast import (
    FloatRounding,
    accumulator_width,
    add_minifloat,
    convert_minifloat,
    encode_integers,
    encode_minifloat,
    multiply_minifloat,
    product_width,
)
from flow.formats.names import AP_OVERFLOW, AP_ROUNDING, ML_DTYPES, QONNX_ROUNDING
from flow.formats.overflow import Overflow, overflow
from flow.formats.rounding import Rounding, round_shift

__all__ = [
    "AP_OVERFLOW",
    "AP_ROUNDING",
    "ML_DTYPES",
    "QONNX_ROUNDING",
    "FixedPoint",
    "FloatRounding",
    "Minifloat",
    "Overflow",
    "Rounding",
    "Specials",
    "accumulator_width",
    "add_minifloat",
    "cast",
    "convert_minifloat",
    "encode",
    "encode_integers",
    "encode_minifloat",
    "multiply_minifloat",
    "overflow",
    "product_width",
    "round_shift",
]
