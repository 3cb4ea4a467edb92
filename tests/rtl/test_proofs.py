"""Every arithmetic cell has a proof at a small size; those that no other file proves are proved here."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from flow.errors import ToolError
from flow.formats import FixedPoint, Minifloat, Overflow, Rounding, cast
from tests.rtl.bench.exhaustive import Case, Cell, wrapped
from tests.rtl.bench.proof import equivalent, proved

# What computes codes from codes without a clock, and where it is proved.
ARITHMETIC = {
    "flow_requantize": "test_proofs", "flow_relu": "test_proofs", "flow_mul": "test_proofs",
    "flow_mul_row": "test_proofs", "flow_minifloat_unpack": "test_proofs", "flow_mx_dot": "test_proofs",
    "flow_softmax_add": "test_proofs",
    "flow_mul_array": "test_multipliers", "flow_mul_table": "test_multipliers", "flow_mul_dsp": "test_multipliers",
    "flow_mul_khot": "test_multipliers",
    "flow_dot_pair": "test_dots", "flow_dot": "test_dots", "flow_dot_packed": "test_dots",
    "flow_compressor": "test_dots", "flow_adder_tree": "test_dots", "flow_dot_sum": "test_dots",
    "flow_dot_dsp": "test_dots",
    "flow_minifloat_decode": "test_minifloats", "flow_minifloat_mul": "test_minifloats",
    "flow_minifloat_encode": "test_minifloats", "flow_minifloat_add": "test_minifloats",
    "flow_lmul": "test_minifloats", "flow_minifloat_dot": "test_minifloats",
    "flow_minifloat_dot_encode": "test_minifloats",
}  # fmt: skip


def test_every_cell_without_a_clock_is_in_the_list():
    folder = Path(__file__).parents[2] / "rtl"
    held = {path.stem for path in folder.glob("flow_*.sv") if not re.search(r"\bclk_i\b", path.read_text())}
    assert held - {"flow_pkg"} == ARITHMETIC.keys()
    for name in set(ARITHMETIC.values()):
        assert re.search(r"== len\((cases|pairs)\) == ", (Path(__file__).parent / f"{name}.py").read_text())


def quantise(source: str, target: str, rounding: Rounding, overflow: Overflow) -> Case:
    x, y = FixedPoint.parse(source), FixedPoint.parse(target)
    parameters = {"InWidth": x.width, "InSigned": int(x.signed), "Shift": x.frac - y.frac, "OutWidth": y.width}
    parameters |= {"OutSigned": int(y.signed), "Rounding": list(Rounding).index(rounding)}
    parameters |= {"Overflow": list(Overflow).index(overflow)}
    codes = wrapped(np.arange(1 << x.width), x.width, x.signed)
    cell = Cell("flow_requantize", parameters, {"data_i": x.width}, ("data_o", y.width))
    return cell, cast(codes, x.frac, y, rounding, overflow)


def rectified(lanes: int, width: int) -> Case:
    words = np.arange(1 << (lanes * width))
    values = np.zeros_like(words)
    for lane in range(lanes):
        values |= np.maximum(wrapped(words >> (lane * width), width, True), 0) << (lane * (width - 1))
    parameters = {"Lanes": lanes, "InWidth": width, "OutWidth": width - 1}
    return Cell("flow_relu", parameters, {"data_i": lanes * width}, ("data_o", lanes * (width - 1))), values


def product(a: int, b: int) -> Case:
    values = np.multiply.outer(wrapped(np.arange(1 << a), a, True), wrapped(np.arange(1 << b), b, True)).ravel()
    return Cell("flow_mul", {"AWidth": a, "BWidth": b}, {"a_i": a, "b_i": b}, ("p_o", a + b)), values


def row(width: int) -> Case:
    """Any digit; a first row has no partial sum and only even ones, so its test is that of flow_mul_array."""
    inputs = {"a_i": width, "digit_i": 3, "partial_i": width}
    codes = np.arange(1 << (2 * width + 3))
    a, partial = (wrapped(codes >> low, width, True) for low in (width + 3, 0))
    digit = (codes >> width) & 7
    multiple = (digit >> 1 & 1) + (digit & 1) - 2 * (digit >> 2)
    return Cell("flow_mul_row", {"Width": width}, inputs, ("sum_o", width + 2)), partial + multiple * a


def test_casts_products_and_rows(tmp_path: Path):
    modes = [(r, o) for r in Rounding for o in Overflow]
    cases = [quantise("s5.3", "s3.1", *mode) for mode in modes]
    cases += [quantise("u5.3", "u3.1", *mode) for mode in modes if mode[1] is not Overflow.WRAP_SM]
    cases += [rectified(2, 3), product(3, 4), row(3)]
    assert proved(cases, tmp_path) == len(cases) == 35 + 28 + 3


def unpacked(text: str, number: int) -> tuple[str, str]:
    """The cell with its outputs side by side, and a table of them."""
    form = Minifloat.parse(text)
    exponent, mantissa, sign = form.exponent, form.mantissa, int(form.signed)
    width = form.bits
    ports = f"input logic [{width - 1}:0] code_i, output logic [{exponent + mantissa + 1}:0] y_o"
    gate = (
        f"module gate{number} ({ports});\n  flow_minifloat_unpack #(.Exponent({exponent}), .Mantissa({mantissa}), "
        f".Signed({sign})) u_cell (.code_i(code_i), .negative_o(y_o[{exponent + mantissa + 1}]), "
        f".significand_o(y_o[{exponent + mantissa}:{exponent}]), .shift_o(y_o[{exponent - 1}:0]));\nendmodule\n"
    )
    lines = ""
    for code in range(1 << width):
        field, fraction = (code >> mantissa) % (1 << exponent), code % (1 << mantissa)
        significand, shift = (fraction + (1 << mantissa), field - 1) if field else (fraction, 0)
        value = (-1) ** (sign and code >> (width - 1)) * (significand << shift)
        assert value == form.integers(np.array([code]))[0]
        negative = sign and code >> (width - 1)
        lines += f"      {code}: y_o = {{1'd{negative}, {mantissa + 1}'d{significand}, {exponent}'d{shift}}};\n"
    gold = f"module gold{number} ({ports});\n  always_comb\n    case (code_i)\n{lines}    endcase\nendmodule\n"
    return gate, gold


def blocks(element: str, block: int, number: int) -> tuple[str, str]:
    """flow_mx_dot, and the sum of products of decoded elements by plain operators beside the sum of the scales."""
    form = Minifloat.parse(element) if "e" in element else FixedPoint.parse(element)
    integers = isinstance(form, FixedPoint)
    width = form.width if isinstance(form, FixedPoint) else form.bits
    exponent, mantissa = (0, width - 1) if isinstance(form, FixedPoint) else (form.exponent, form.mantissa)
    product_width = 2 * width if integers else 2 * ((1 << exponent) + mantissa) - 1
    out = product_width + (block - 1).bit_length()
    ports = (
        f"input logic [{block * width - 1}:0] a_i, b_i, input logic [7:0] a_scale_i, b_scale_i, "
        f"output logic signed [{out - 1}:0] sum_o, output logic [9:0] exponent_o, output logic nan_o"
    )
    shape = f".Block({block}), .AExponent({exponent}), .AMantissa({mantissa}), .BExponent({exponent}), "
    names = ("a_i", "b_i", "a_scale_i", "b_scale_i", "sum_o", "exponent_o", "nan_o")
    gate = (
        f"module gate{number} ({ports});\n  flow_mx_dot #({shape}.BMantissa({mantissa})) u_cell "
        f"({', '.join(f'.{name}({name})' for name in names)});\nendmodule\n"
    )
    codes = np.arange(1 << width)
    steps = wrapped(codes, width, True) if isinstance(form, FixedPoint) else form.integers(codes)
    lines = "".join(f"      {code}: steps = {value};\n" for code, value in zip(codes, steps, strict=True))
    terms = " + ".join(f"steps(a_i[{i * width}+:{width}]) * steps(b_i[{i * width}+:{width}])" for i in range(block))
    gold = (
        f"module gold{number} ({ports});\n  function automatic logic signed [{out - 1}:0] steps(input logic "
        f"[{width - 1}:0] code);\n    case (code)\n{lines}    endcase\n  endfunction\n  assign sum_o = {terms};\n"
        "  assign exponent_o = 10'(a_scale_i) + 10'(b_scale_i) - 10'd254;\n"
        "  assign nan_o = a_scale_i == 8'd255 || b_scale_i == 8'd255;\nendmodule\n"
    )
    return gate, gold


def power_sum(mantissa: int, number: int) -> tuple[str, str]:
    """flow_softmax_add on mantissas from 1 and exponents 0..3, and the sum of both in units of the larger exponent."""
    ports = (
        f"input logic first_i, input logic [{mantissa - 1}:0] a_i, b_i, input logic [1:0] top_i, exponent_i, "
        f"output logic [{mantissa}:0] total_o, output logic [3:0] top_o"
    )
    gate = (
        f"module gate{number} ({ports});\n  flow_softmax_add #(.Mantissa({mantissa}), .ExpWidth(4)) u_cell "
        "(.first_i(first_i), .total_i({1'b1, a_i}), .top_i({2'b0, top_i}), .power_i({1'b1, b_i}), "
        ".exponent_i({2'b0, exponent_i}), .total_o(total_o), .top_o(top_o));\nendmodule\n"
    )
    wide = mantissa + 5
    gold = (
        f"module gold{number} ({ports});\n  logic [{wide - 1}:0] a, b, sum;\n  logic [3:0] unit;\n"
        f"  assign a = first_i ? '0 : {wide}'({{1'b1, a_i}}) << top_i;\n"
        f"  assign b = {wide}'({{1'b1, b_i}}) << exponent_i;\n"
        "  assign unit = (!first_i && top_i > exponent_i) ? 4'(top_i) : 4'(exponent_i);\n"
        "  assign sum = (a >> unit) + (b >> unit);\n"
        f"  assign total_o = {mantissa + 1}'((sum >= {2 << mantissa}) ? sum / 2 : sum);\n"
        f"  assign top_o = unit + 4'(sum >= {2 << mantissa});\nendmodule\n"
    )
    return gate, gold


def test_fields_and_blocks(tmp_path: Path):
    pairs = [
        unpacked("e3m2", 0),
        unpacked("ue2m0", 1),
        blocks("e2m1", 2, 2),
        blocks("s3.0", 2, 3),
        blocks("e1m1", 3, 4),
        power_sum(3, 5),
        power_sum(6, 6),
    ]
    assert equivalent(pairs, tmp_path) == len(pairs) == 7
    gate, gold = pairs[2]
    with pytest.raises(ToolError, match="proof did fail"):
        equivalent([(gate.replace("gate2", "gate0"), gold.replace("gold2", "gold0").replace("254", "253"))], tmp_path)
