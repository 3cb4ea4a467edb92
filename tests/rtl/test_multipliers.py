"""The forms of a product: exact for all pairs, proved equal to `*` at one small size, and as small as they promise."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from flow import resources
from flow.errors import ToolError
from flow.formats.khot import digit_count
from flow.synthesis import Family, synthesise
from tests.rtl.bench.exhaustive import Case, Cell, checked, wrapped
from tests.rtl.bench.proof import proved

SIGNS = list(itertools.product((1, 0), repeat=2))
FOLDER = resources.folder("rtl")
PARTS = ("flow_mul_row", "flow_mul_table", "flow_mul_array", "flow_mul_dsp", "flow_mul_khot")
SOURCES = {f"{name}.sv": (FOLDER / f"{name}.sv").read_text() for name in PARTS}


def product(form: str, a: int, b: int, a_signed: int, b_signed: int) -> Case:
    parameters = {"AWidth": a, "BWidth": b, "ASigned": a_signed, "BSigned": b_signed}
    x, y = np.divmod(np.arange(1 << (a + b)), 1 << b)
    cell = Cell(f"flow_mul_{form}", parameters, {"a_i": a, "b_i": b}, ("p_o", a + b))
    return cell, wrapped(x, a, bool(a_signed)) * wrapped(y, b, bool(b_signed))


def khot_values(width: int, count: int, b_signed: int) -> np.ndarray:
    """What every value of `flow_mul_khot`'s b_i stands for."""
    exponent_width = width.bit_length()
    field = exponent_width + b_signed
    found = np.zeros(1 << (count * field), dtype=np.int64)
    for digits in itertools.product(range(1 << field), repeat=count):
        pairs = [(digit % (1 << exponent_width), digit >> exponent_width) for digit in digits]
        value = sum((-1) ** negative << exponent for exponent, negative in pairs if exponent < width)
        found[sum(digit << (place * field) for place, digit in enumerate(digits))] = value
    return found


def khot(a: int, b: int, a_signed: int, b_signed: int, digits: int) -> Case:
    parameters = {"AWidth": a, "BWidth": b, "ASigned": a_signed, "BSigned": b_signed, "Digits": digits}
    inputs = {"a_i": a, "b_i": digits * (b.bit_length() + b_signed)}
    values = khot_values(b, digits, b_signed)
    codes = np.arange(-(1 << (b - 1)) if b_signed else 0, 1 << (b - b_signed))
    assert set(codes[digit_count(codes, bool(b_signed)) <= digits]) <= set(values), "a K-hot code has no fields"
    cell = Cell("flow_mul_khot", parameters, inputs, ("p_o", a + b))
    return cell, np.multiply.outer(wrapped(np.arange(1 << a), a, bool(a_signed)), values).ravel()


# Both parities and both orders of the widths.
WIDTHS = ((1, 1), (1, 7), (7, 1), (2, 6), (3, 3), (4, 4), (3, 4), (5, 2), (5, 5), (6, 4), (4, 7), (7, 6), (8, 8))
KHOTS = ((4, 4, 1, 1, 2), (4, 4, 0, 1, 2), (4, 4, 1, 0, 2), (4, 3, 0, 0, 3), (8, 8, 1, 1, 1), (5, 7, 1, 1, 2))


def test_all_pairs_of_every_form(tmp_path):
    cases = [product("array", *widths, *signs) for widths in WIDTHS for signs in SIGNS]
    cases += [product("table", *widths, *signs) for widths in ((2, 3), (4, 4), (1, 5)) for signs in SIGNS]
    cases += [product("table", 7, 5, 1, 0)]  # as wide as there is; the other signs and widths below
    cases += [product("dsp", *widths, *signs) for widths in ((8, 8), (3, 5)) for signs in SIGNS]
    cases += [khot(*given) for given in KHOTS]
    assert checked(cases, tmp_path) == {
        "flow_mul_array": 316_688,
        "flow_mul_table": 5_504,
        "flow_mul_dsp": 263_168,
        "flow_mul_khot": 26_624,
    }


def test_all_pairs_of_two_digits(tmp_path):
    assert checked([khot(8, 8, *signs, 2) for signs in SIGNS], tmp_path) == {"flow_mul_khot": 2 * (2**18 + 2**16)}


@pytest.mark.slow
@pytest.mark.parametrize("signs", SIGNS)
def test_all_pairs_of_all_widths(signs, tmp_path):
    cases = [product(form, a, b, *signs) for form in ("array", "dsp") for a in range(1, 9) for b in range(1, 9)]
    cases += [product("table", a, b, *signs) for a in range(1, 12) for b in range(1, 12) if a + b <= 12]
    assert checked(cases, tmp_path) == {
        "flow_mul_array": (2 + 4 + 8 + 16 + 32 + 64 + 128 + 256) ** 2,
        "flow_mul_dsp": (2 + 4 + 8 + 16 + 32 + 64 + 128 + 256) ** 2,
        "flow_mul_table": sum((bits - 1) << bits for bits in range(2, 13)),
    }


def test_equal_to_the_product_by_proof(tmp_path):
    cases = [product(form, 5, 4, 1, 0) for form in ("array", "table", "dsp")]
    cases += [product("array", 4, 4, 1, 1), khot(4, 3, 1, 1, 1), khot(4, 3, 1, 1, 2), khot(3, 2, 0, 0, 2)]
    assert proved(cases, tmp_path) == len(cases) == 7
    cell, values = cases[-1]
    with pytest.raises(ToolError, match="proof did fail"):
        proved([(cell, values + (np.arange(len(values)) == 77))], tmp_path / "wrong")


# AWidth, BWidth, ASigned, BSigned: LUTs, inverters included. Even and signed: B/2 rows of A + 1 LUTs.
BOUNDS = {
    (2, 2, 1, 1): 4, (3, 3, 1, 1): 6, (4, 4, 1, 1): 10, (5, 5, 1, 1): 17, (6, 6, 1, 1): 21, (8, 8, 1, 1): 36,
    (4, 8, 1, 1): 18, (4, 4, 0, 0): 15, (8, 8, 0, 0): 47, (8, 8, 1, 0): 39,
}  # fmt: skip


def wrapper(name: str, shape: tuple[int, int, int, int]) -> str:
    a, b, a_signed, b_signed = shape
    return (
        f"module {name} (input logic [{a - 1}:0] a_i, input logic [{b - 1}:0] b_i, output logic [{a + b - 1}:0] p_o);\n"
        f"  flow_mul_array #(.AWidth({a}), .BWidth({b}), .ASigned({a_signed}), .BSigned({b_signed})) u_mul "
        "(.a_i(a_i), .b_i(b_i), .p_o(p_o));\nendmodule\n"
    )


def test_luts_of_the_array():
    names = {f"shape_{number}": shape for number, shape in enumerate(BOUNDS)}
    ports = ", ".join(f"output logic [{sum(shape[:2]) - 1}:0] {name}_p" for name, shape in names.items())
    inner = "".join(
        f"  {name} u_{name} (.a_i(a_i[{a - 1}:0]), .b_i(b_i[{b - 1}:0]), .p_o({name}_p));\n"
        for name, (a, b, *_) in names.items()
    )
    top = f"module top (input logic [7:0] a_i, input logic [7:0] b_i, {ports});\n{inner}endmodule\n"
    sources = {**SOURCES, "top.sv": "".join(wrapper(*item) for item in names.items()) + top}
    areas = synthesise(sources, "top", Family.XC7, keep=tuple(names)).module_areas
    found = {shape: areas[name].lut + areas[name].inverter for name, shape in names.items()}
    assert found == BOUNDS
    assert sum(area.dsp for area in areas.values()) == 0
