"""The minifloat cells against flow.formats: every code, every pair, every rounding."""

from __future__ import annotations

import numpy as np

from flow.formats import Minifloat
from flow.formats.cast import INT64_BITS
from flow.formats.lmul import best_offset, lmul_packed
from flow.formats.minifloat_cast import FloatRounding, add_minifloat, encode_integers
from tests.rtl.bench.exhaustive import Case, Cell, checked, wrapped
from tests.rtl.bench.proof import proved


def fields(form: Minifloat, prefix: str = "") -> dict[str, int]:
    values = {"Exponent": form.exponent, "Mantissa": form.mantissa, "Signed": int(form.signed)}
    return {prefix + name: value for name, value in values.items()}


def magnitude(form: Minifloat) -> int:
    return (1 << form.exponent) + form.mantissa - 1


def grid(form: Minifloat) -> np.ndarray:
    return np.arange(1 << form.bits)


def decode(text: str) -> Case:
    form = Minifloat.parse(text)
    output = ("data_o", magnitude(form) + form.signed)
    return Cell("flow_minifloat_decode", fields(form), {"code_i": form.bits}, output), form.integers(grid(form))


def product(left: str, right: str) -> Case:
    a, b = Minifloat.parse(left), Minifloat.parse(right)
    output = ("p_o", magnitude(a) + magnitude(b) + (a.signed or b.signed))
    cell = Cell("flow_minifloat_mul", {**fields(a, "A"), **fields(b, "B")}, {"a_i": a.bits, "b_i": b.bits}, output)
    kind = object if output[1] > INT64_BITS else np.int64
    return cell, np.multiply.outer(a.integers(grid(a)).astype(kind), b.integers(grid(b)).astype(kind)).ravel()


def encode(text: str, width: int, signed: bool, shift: int, rounding: FloatRounding) -> Case:
    form = Minifloat.parse(text)
    parameters = {"InWidth": width, "InSigned": int(signed), "Shift": shift, **fields(form)}
    parameters |= {"Rounding": list(FloatRounding).index(rounding), "Highest": form.highest_code}
    numbers = wrapped(np.arange(1 << width), width, signed)
    cell = Cell("flow_minifloat_encode", parameters, {"data_i": width}, ("code_o", form.bits))
    return cell, encode_integers(numbers, form.frac + shift, form, rounding)


def total(text: str, rounding: FloatRounding) -> Case:
    form = Minifloat.parse(text)
    parameters = {**fields(form), "Rounding": list(FloatRounding).index(rounding)}
    cell = Cell("flow_minifloat_add", parameters, {"a_i": form.bits, "b_i": form.bits}, ("code_o", form.bits))
    return cell, add_minifloat(grid(form)[:, None], form, grid(form), form, form, rounding).ravel()


def lmul(text: str) -> Case:
    form = Minifloat.parse(text)
    offset = best_offset(form.mantissa)
    parameters = {**fields(form), "Bias": form.bias, "Offset": offset}
    cell = Cell("flow_lmul", parameters, {"a_i": form.bits, "b_i": form.bits}, ("code_o", form.bits))
    return cell, lmul_packed(grid(form)[:, None], grid(form), form, offset).ravel()


def dot(left: str, right: str, simd: int) -> Case:
    a, b = Minifloat.parse(left), Minifloat.parse(right)
    width = magnitude(a) + magnitude(b) + (a.signed or b.signed) + (simd - 1).bit_length()
    inputs = {"a_i": simd * a.bits, "b_i": simd * b.bits}
    cell = Cell("flow_minifloat_dot", {"Simd": simd, **fields(a, "A"), **fields(b, "B")}, inputs, ("y_o", width))
    x, y = np.divmod(np.arange(1 << cell.bits), 1 << (simd * b.bits))
    values = np.zeros_like(x)
    for lane in range(simd):
        left_codes, right_codes = (x >> (lane * a.bits)) % (1 << a.bits), (y >> (lane * b.bits)) % (1 << b.bits)
        values += a.integers(left_codes) * b.integers(right_codes)
    return cell, values


def dot_encode(text: str, target: str, rounding: FloatRounding) -> Case:
    """Two products, rounded once."""
    form, out = Minifloat.parse(text), Minifloat.parse(target)
    exact, values = dot(text, text, 2)
    parameters = {**exact.parameters, "Shift": 2 * form.frac - out.frac, **fields(out)}
    parameters |= {"Rounding": list(FloatRounding).index(rounding), "Highest": out.highest_code}
    cell = Cell("flow_minifloat_dot_encode", parameters, exact.inputs, ("code_o", out.bits))
    return cell, encode_integers(values, 2 * form.frac, out, rounding)


FORMATS = ("e1m2", "e2m0", "e2m1", "ue2m2", "e3m2", "e2m3", "e4m3", "ue3m0", "e3m4", "e5m2")
MIXED = (("e4m3", "e5m2"), ("e1m2", "ue2m2"), ("ue3m0", "e4m3"), ("ue2m2", "ue3m0"), ("e2m1", "e3m2"))
SUMMED = ("e2m1", "e3m2", "ue2m2", "e4m3", "e5m2")
# Format, bits of the input, signed or not, fraction bits beyond a step: all cut off, none, and more than there are.
INPUTS = (
    ("e2m1", 9, True, 3), ("e3m2", 10, True, -2), ("ue2m3", 12, False, 4), ("ue2m1", 8, True, 2), ("e2m0", 7, True, 0),
    ("e4m3fn", 5, False, 9), ("e1m1", 13, True, 1), ("e5m2", 12, True, -20),
)  # fmt: skip
DOTS = (("e2m1", "e2m1", 2), ("e1m1", "ue1m1", 3), ("ue2m1", "ue1m2", 2), ("ue1m1", "e2m0", 3))


def test_every_input_of_every_cell(tmp_path):
    cases = [decode(text) for text in FORMATS]
    cases += [product(text, text) for text in FORMATS] + [product(*pair) for pair in MIXED]
    cases += [encode(*given, rounding) for given in INPUTS for rounding in FloatRounding]
    cases += [total(text, rounding) for text in SUMMED for rounding in FloatRounding]
    cases += [lmul(text) for text in ("e4m3", "e3m2", "e2m1", "ue3m3", "e4m3b11", "e5m2")]
    cases += [dot(*given) for given in DOTS]
    cases += [dot_encode("ue2m1", "e3m2", rounding) for rounding in FloatRounding]
    assert checked(cases, tmp_path) == {
        "flow_minifloat_decode": 960,
        "flow_minifloat_mul": 274_688,
        "flow_minifloat_encode": 91_680,
        "flow_minifloat_add": 678_400,
        "flow_lmul": 205_056,
        "flow_minifloat_dot": 135_168,
        "flow_minifloat_dot_encode": 20_480,
    }


def test_small_sizes_by_proof(tmp_path):
    even = FloatRounding.NEAREST_EVEN
    cases = [decode("e2m1"), product("e2m1", "e2m1"), encode("e2m1", 7, True, 1, even), total("e2m1", even)]
    cases += [lmul("e2m1"), dot("ue1m1", "e1m1", 2), dot_encode("ue1m1", "e2m1", even)]
    assert proved(cases, tmp_path) == len(cases) == 7
