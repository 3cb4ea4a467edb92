"""Number formats: what a code means, and how one format becomes another. Needs numpy only."""

from flow.formats.block_dots import block_dot_width, block_dots, dot_blocks
from flow.formats.blocks import BlockFormat, BlockTensor, block_scales, decode_blocks, encode_blocks, encode_elements
from flow.formats.cast import INT64_BITS, cast, cast_bound, cast_floats, encode
from flow.formats.dynamic_fixed_point import (
    DynamicFixedPoint,
    add_dynamic,
    narrow_dynamic,
    safe_macs,
    spilled_dot,
)
from flow.formats.fixed_point import FixedPoint, trailing_zeros
from flow.formats.khot import KHot, digit_count, keep_leading
from flow.formats.lmul import (
    LMulErrors,
    best_offset,
    formula_errors,
    lmul_formula,
    lmul_packed,
    packed_errors,
    paper_offset,
)
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
from flow.formats.power import PowerGrid
from flow.formats.rounding import Rounding, round_floats, round_shift
from flow.formats.scales import PowerOfTwo
from flow.formats.text import Format, parse_format
from flow.formats.two_pass import TwoPassSoftmax

__all__ = [
    "AP_OVERFLOW",
    "AP_ROUNDING",
    "INT64_BITS",
    "ML_DTYPES",
    "QONNX_ROUNDING",
    "BlockFormat",
    "BlockTensor",
    "DynamicFixedPoint",
    "FixedPoint",
    "FloatRounding",
    "Format",
    "KHot",
    "LMulErrors",
    "Minifloat",
    "Overflow",
    "PowerGrid",
    "PowerOfTwo",
    "Rounding",
    "Specials",
    "TwoPassSoftmax",
    "accumulator_width",
    "add_dynamic",
    "add_minifloat",
    "best_offset",
    "block_dot_width",
    "block_dots",
    "block_scales",
    "cast",
    "cast_bound",
    "cast_floats",
    "convert_minifloat",
    "decode_blocks",
    "digit_count",
    "dot_blocks",
    "encode",
    "encode_blocks",
    "encode_elements",
    "encode_integers",
    "encode_minifloat",
    "formula_errors",
    "keep_leading",
    "lmul_formula",
    "lmul_packed",
    "multiply_minifloat",
    "narrow_dynamic",
    "overflow",
    "packed_errors",
    "paper_offset",
    "parse_format",
    "product_width",
    "round_floats",
    "round_shift",
    "safe_macs",
    "spilled_dot",
    "trailing_zeros",
]
