"""The forms of a product: exact for all pairs, proved equal to `*` at one small size, and as small as they promise."""

from __future__ import annotations

import itertools
import sys

import numpy as np
import pytest

from flow import resources
from flow.exporters.writer import write_tree
from flow.formats.khot import digit_count
from flow.synthesis import Family, synthesise
from flow.tools import run
from tests.rtl.bench.exhaustive import Cell, outputs, wrapped

SIGNS = list(itertools.product((1, 0), repeat=2))
FOLDER = resources.folder("rtl")
PARTS = ("flow_mul", "flow_mul_row", "flow_mul_table", "flow_mul_array", "flow_mul_dsp", "flow_mul_khot")
SOURCES = {f"{name}.sv": (FOLDER / f"{name}.sv").read_text() for name in PARTS}


def multiplier(module: str, a: int, b: int, a_signed: int, b_signed: int) -> Cell:
    parameters = {"AWidth": a, "BWidth": b, "ASigned": a_signed, "BSigned": b_signed}
    return Cell(module, parameters, {"a_i": a, "b_i": b}, ("p_o", a + b))


def products(cell: Cell) -> np.ndarray:
    """a * b for all pairs, as the unsigned numbers that the bits of the product make."""
    a, b, a_signed, b_signed = cell.parameters.values()
    codes = np.arange(1 << (a + b))
    return wrapped(wrapped(codes >> b, a, a_signed) * wrapped(codes, b, b_signed), a + b, False)


def check(cells: list[Cell], scratch) -> int:
    compared = 0
    for cell, found in zip(cells, outputs(cells, scratch), strict=True):
        np.testing.assert_array_equal(found, products(cell), err_msg=str(cell))
        compared += len(found)
    return compared


def chosen() -> list[Cell]:
    """Both parities and both orders of the widths, all signs, and every form."""
    widths = [(1, 1), (1, 7), (7, 1), (2, 6), (3, 3), (4, 4), (3, 4), (5, 2), (5, 5), (6, 4), (4, 7), (7, 6)]
    arrays = [multiplier("flow_mul_array", *pair, *signs) for pair in widths for signs in SIGNS]
    arrays += [multiplier("flow_mul_array", 8, 8, *signs) for signs in SIGNS]
    tables = [multiplier("flow_mul_table", *pair, *signs) for pair in ((2, 3), (4, 4), (1, 5)) for signs in SIGNS]
    dsps = [multiplier("flow_mul_dsp", *pair, *signs) for pair in ((8, 8), (3, 5)) for signs in SIGNS]
    return arrays + tables + dsps


def test_all_pairs_of_every_form(tmp_path):
    cells = chosen()
    assert check(cells, tmp_path) == sum(1 << cell.bits for cell in cells) == 581_264


@pytest.mark.slow
@pytest.mark.parametrize("signs", SIGNS)
def test_all_pairs_of_all_widths(signs, tmp_path):
    cells = [multiplier("flow_mul_array", a, b, *signs) for a in range(1, 9) for b in range(1, 9)]
    cells += [multiplier("flow_mul_table", a, b, *signs) for a in range(1, 9) for b in range(1, 9) if a + b <= 10]
    assert check(cells, tmp_path) > 64 * 256


def khot_fields(width: int, count: int, b_signed: int) -> dict[int, int]:
    """What every value of `flow_mul_khot`'s b_i stands for."""
    exponent_width = width.bit_length()
    field = exponent_width + b_signed
    found = {}
    for digits in itertools.product(range(1 << field), repeat=count):
        pairs = [(digit % (1 << exponent_width), digit >> exponent_width) for digit in digits]
        value = sum((-1) ** negative << exponent for exponent, negative in pairs if exponent < width)
        found[sum(digit << (place * field) for place, digit in enumerate(digits))] = value
    return found


KHOTS = [(4, 4, 1, 1, 2), (4, 4, 0, 1, 2), (4, 4, 1, 0, 2), (4, 3, 0, 0, 3), (8, 8, 1, 1, 1), (5, 7, 1, 1, 2)]


def test_every_number_of_few_digits(tmp_path):
    cells = []
    for a, b, a_signed, b_signed, digits in KHOTS:
        parameters = {"AWidth": a, "BWidth": b, "ASigned": a_signed, "BSigned": b_signed, "Digits": digits}
        inputs = {"a_i": a, "b_i": digits * (b.bit_length() + b_signed)}
        cells.append(Cell("flow_mul_khot", parameters, inputs, ("p_o", a + b)))
    compared = 0
    for (a, b, a_signed, b_signed, digits), found in zip(KHOTS, outputs(cells, tmp_path), strict=True):
        fields = khot_fields(b, digits, b_signed)
        codes = np.arange(-(1 << (b - 1)) if b_signed else 0, 1 << (b - b_signed))
        assert set(codes[digit_count(codes, bool(b_signed)) <= digits]) <= set(fields.values())
        codes_of_a = wrapped(np.arange(1 << a), a, a_signed)
        values = np.array([fields[code] for code in range(len(fields))])
        want = wrapped((codes_of_a[:, None] * values).ravel(), a + b, False)
        np.testing.assert_array_equal(found, want, err_msg=str((a, b, a_signed, b_signed, digits)))
        compared += len(found)
    assert compared == sum(1 << cell.bits for cell in cells)


@pytest.mark.parametrize("module", ["flow_mul_array", "flow_mul_table", "flow_mul_dsp"])
def test_equal_to_a_multiplication_by_proof(module, tmp_path):
    gold = (
        "module gold (input logic signed [4:0] a_i, input logic [3:0] b_i, output logic [8:0] p_o);\n"
        "  assign p_o = a_i * $signed({1'b0, b_i});\nendmodule\n"
    )
    gate = wrapper("gate", (5, 4, 1, 0), module)
    script = (
        f"read_verilog -sv -defer {' '.join(SOURCES)} gate.sv\nhierarchy -check -top gate\nproc\nflatten\n"
        "read_verilog -sv gold.sv\nproc\nopt_clean\n"
        "miter -equiv -flatten gold gate miter\nsat -verify -prove trigger 0 miter\n"
    )
    write_tree(tmp_path / "yosys", {**SOURCES, "gate.sv": gate, "gold.sv": gold, "run.ys": script})
    code = "from pyosys import libyosys as y; y.run_pass('script run.ys', y.Design())"
    assert "no model found: SUCCESS!" in run([sys.executable, "-P", "-c", code], cwd=tmp_path / "yosys")


# AWidth, BWidth, ASigned, BSigned: LUTs, inverters included. Even and signed: B/2 rows of A + 1 LUTs.
BOUNDS = {
    (2, 2, 1, 1): 4, (3, 3, 1, 1): 6, (4, 4, 1, 1): 10, (5, 5, 1, 1): 17, (6, 6, 1, 1): 21, (8, 8, 1, 1): 36,
    (4, 8, 1, 1): 18, (4, 4, 0, 0): 15, (8, 8, 0, 0): 47, (8, 8, 1, 0): 39,
}  # fmt: skip


def wrapper(name: str, shape: tuple[int, int, int, int], module: str = "flow_mul_array") -> str:
    a, b, a_signed, b_signed = shape
    return (
        f"module {name} (input logic [{a - 1}:0] a_i, input logic [{b - 1}:0] b_i, output logic [{a + b - 1}:0] p_o);\n"
        f"  {module} #(.AWidth({a}), .BWidth({b}), .ASigned({a_signed}), .BSigned({b_signed})) u_mul "
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
