"""Dot products of integers: every input of small ones, a proof at one size, and as small as they promise.

A compressor and a tree of carry chains add the terms of every kind of dot product, those of minifloats and of MX blocks
too, to the same sum.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from flow.errors import ToolError
from flow.estimation.characterise import cell_batch, measure_batch, rtl_sources
from flow.formats.minifloat_cast import FloatRounding
from flow.simulation.rtl_verilator import ProgramJob, run_program
from flow.synthesis import CARRY_LUTS, Family
from tests.rtl import test_minifloats as minifloats
from tests.rtl import test_proofs as proofs
from tests.rtl import test_sampled as wide
from tests.rtl.bench.exhaustive import Case, Cell, checked, wrapped
from tests.rtl.bench.proof import equivalent, proved
from tests.rtl.bench.vectors import sampled

SIGNS = list(itertools.product((1, 0), repeat=2))


def sums(simd: int, a: int, b: int, a_signed: int, b_signed: int) -> np.ndarray:
    """What a dot product makes of every input, int64[2**(simd * (a + b))]."""
    left, right = np.divmod(np.arange(1 << (simd * (a + b))), 1 << (simd * b))
    lanes = [
        wrapped(left >> (lane * a), a, bool(a_signed)) * wrapped(right >> (lane * b), b, bool(b_signed))
        for lane in range(simd)
    ]
    return np.sum(lanes, axis=0)


def pair(a: int, b: int, a_signed: int, b_signed: int) -> Case:
    parameters = {"AWidth": a, "BWidth": b, "ASigned": a_signed, "BSigned": b_signed}
    cell = Cell("flow_dot_pair", parameters, {"a_i": 2 * a, "b_i": 2 * b}, ("y_o", a + b + 1))
    return cell, sums(2, a, b, a_signed, b_signed)


def dot(simd: int, x: int, w: int, x_signed: int, w_signed: int, cut: int = 0, dsp: int = 0) -> Case:
    """`cut` is how many of the highest bits of the sum are left out."""
    out = x + w + (simd - 1).bit_length() - cut
    parameters = {"Simd": simd, "XWidth": x, "XSigned": x_signed, "WWidth": w, "WSigned": w_signed, "OutWidth": out}
    cell = Cell("flow_dot", {**parameters, "UseDsp": dsp}, {"x_i": simd * x, "w_i": simd * w}, ("y_o", out))
    return cell, sums(simd, x, w, x_signed, w_signed)


def in_dsps(simd: int, x: int, w: int, x_signed: int, w_signed: int, cut: int = 0) -> Case:
    """Narrower than flow_dot leaves to DSPs."""
    cell, values = dot(simd, x, w, x_signed, w_signed, cut)
    parameters = {key: value for key, value in cell.parameters.items() if key != "UseDsp"}
    return replace(cell, module="flow_dot_dsp", parameters=parameters), values


def packed(simd: int, lanes: int, x: int, w: int, x_signed: int, w_signed: int, port: int, out: int) -> Case:
    """Rows of weights that share codes and multiplications; `port` is the width of the wide factor."""
    parameters = {"Simd": simd, "Lanes": lanes, "XWidth": x, "XSigned": x_signed, "WWidth": w, "WSigned": w_signed,
                  "OutWidth": out, "DspWidth": port}  # fmt: skip
    cell = Cell("flow_dot_packed", parameters, {"w_i": lanes * simd * w, "x_i": simd * x}, ("y_o", lanes * out))
    weights, codes = np.divmod(np.arange(1 << cell.bits), 1 << (simd * x))
    values = np.zeros_like(codes)
    for lane in range(lanes):
        total = np.zeros_like(codes)
        for i in range(simd):
            weight = wrapped(weights >> ((lane * simd + i) * w), w, bool(w_signed))
            total += weight * wrapped(codes >> (i * x), x, bool(x_signed))
        values |= wrapped(total, out, False) << (lane * out)
    return cell, values


def total(module: str, terms: int, width: int, signed: int, out: int) -> Case:
    parameters = {"Terms": terms, "Width": width, "Signed": signed, "OutWidth": out}
    cell = Cell(module, parameters, {"x_i": terms * width}, ("y_o", out))
    words = np.arange(1 << cell.bits)
    return cell, np.sum([wrapped(words >> (i * width), width, bool(signed)) for i in range(terms)], axis=0)


# Both parities and both orders of the widths: the digits of either side, and rows that end with the sum.
PAIRS = ((1, 1), (1, 2), (2, 1), (2, 2), (1, 6), (6, 1), (3, 2), (2, 3), (3, 3), (4, 3), (2, 5), (5, 2), (4, 4))
# Products in pairs, as tables, one left over, one alone.
DOTS = ((1, 6, 5), (2, 3, 3), (2, 3, 4), (3, 2, 3), (3, 3, 2), (4, 2, 2), (5, 1, 2), (6, 1, 1))
# Part of a cascade, a whole one, a second of one product.
CASCADED = ((1, 4, 3), (3, 2, 3), (4, 2, 2), (5, 1, 2))

# Simd, lanes, widths of code and weight, width of the port, bits out: four lanes that just fit their port, four that
# miss it by a bit, a port with bits to spare, one lane, sums that wrap.
PACKED = ((1, 2, 4, 4, 12, 8), (2, 2, 2, 3, 27, 7), (1, 4, 2, 3, 18, 6), (1, 4, 2, 3, 17, 6), (2, 1, 4, 3, 27, 8),
          (1, 2, 3, 2, 6, 3), (2, 2, 2, 2, 5, 6))  # fmt: skip
# Terms of one level and of several, and what six, three and two do not divide.
ADDERS = ("flow_compressor", "flow_adder_tree")
SUMMED = ((1, 4), (2, 4), (3, 4), (4, 3), (5, 3), (6, 2), (7, 2), (8, 2), (9, 1), (14, 1), (16, 1))


def test_every_input(tmp_path):
    cases = [pair(*widths, *signs) for widths in PAIRS for signs in SIGNS]
    cases += [dot(*shape, *signs) for shape in DOTS for signs in SIGNS]
    cases += [dot(3, 2, 3, 0, 1, cut=2), dot(3, 2, 3, 1, 1, cut=6)]
    cases += [dot(2, 4, 5, 0, 1, dsp=1), dot(2, 2, 3, 1, 0, dsp=1)]
    cases += [in_dsps(*shape, *signs) for shape in CASCADED for signs in SIGNS]
    cases += [in_dsps(3, 2, 3, 0, 1, cut=2), in_dsps(5, 1, 2, 1, 1, cut=4), in_dsps(9, 1, 1, 0, 1)]
    cases += [packed(*shape[:4], x, 1, *shape[4:]) for shape in PACKED for x in (0, 1)]
    cases += [packed(*shape[:4], x, 0, 27, shape[5]) for shape in PACKED for x in (0, 1)]
    cases += [total(cell, *shape, s, shape[1] + 4 - s) for cell in ADDERS for shape in SUMMED for s in (0, 1)]
    assert checked(cases, tmp_path) == {
        "flow_dot_pair": 616_000,
        "flow_dot": 1_090_560,
        "flow_dot_dsp": 852_480,
        "flow_dot_packed": 492_032,
        "flow_compressor": 419_360,
        "flow_adder_tree": 419_360,
    }


def test_small_sizes_by_proof(tmp_path):
    cases = [pair(2, 3, 0, 1), pair(3, 2, 1, 1), dot(3, 2, 2, 0, 1), packed(1, 2, 3, 3, 0, 1, 27, 6)]
    cases += [in_dsps(5, 1, 1, 1, 1), packed(1, 2, 3, 2, 1, 1, 6, 5), *(total(cell, 7, 1, 0, 3) for cell in ADDERS)]
    assert proved(cases, tmp_path) == len(cases) == 8


# Simd, XWidth, WWidth, XSigned: LUTs of unsigned or signed codes by signed weights.
BOUNDS = {
    (2, 4, 4, 0): 24, (2, 8, 8, 0): 82, (4, 2, 2, 0): 19, (4, 4, 4, 0): 57, (4, 6, 6, 0): 111, (4, 8, 8, 0): 181,
    (4, 8, 8, 1): 177, (16, 4, 4, 0): 259,
}  # fmt: skip


def test_luts_of_a_dot_product():
    shapes = [
        {"Simd": simd, "XWidth": x, "XSigned": signed, "WWidth": w, "OutWidth": x + w + (simd - 1).bit_length()}
        for simd, x, w, signed in BOUNDS
    ]
    areas = measure_batch(cell_batch("flow_dot", shapes, Family.XCUP))
    used = {shape: area.lut + area.inverter for shape, area in zip(BOUNDS, areas, strict=True)}
    assert {shape: luts for shape, luts in used.items() if luts > BOUNDS[shape]} == {}


# What a cell's parameter Adder says, 0 being a sum that is left to synthesis.
COMPRESSOR, CHAINS = 1, 2


def added(cases: Sequence[Case]) -> list[Case]:
    """Every case by the two adders of our own."""
    adders = ({"Adder": adder} for adder in (COMPRESSOR, CHAINS))
    return [(replace(cell, parameters={**cell.parameters, **by}), want) for by in adders for cell, want in cases]


# Sums of 1 to 4 terms behind the pairs.
ADDED = ((1, 4, 4), (2, 3, 3), (3, 2, 3), (4, 2, 2), (5, 1, 2), (6, 1, 1), (7, 1, 1), (8, 1, 1))


def test_every_input_by_either_adder(tmp_path):
    cases = [dot(*shape, *signs) for shape in ADDED for signs in SIGNS]
    cases += [dot(3, 2, 3, 0, 1, cut=2), dot(5, 1, 2, 1, 1, cut=4)]
    cases += [minifloats.dot(*given) for given in minifloats.DOTS]
    cases += [minifloats.dot_encode("ue2m1", "e3m2", FloatRounding.NEAREST_EVEN)]
    assert checked(added(cases), tmp_path) == {
        "flow_dot": 2 * 951_296,
        "flow_minifloat_dot": 2 * 135_168,
        "flow_minifloat_dot_encode": 2 * 4_096,
    }


@pytest.mark.slow
@pytest.mark.parametrize("adder", [COMPRESSOR, CHAINS])
def test_many_terms_by_either_adder(adder, tmp_path):
    """5 to 32 terms: levels that take six words, two, and what neither divides."""
    cases = [wide.dot(simd, 4, 4, x, 1) for simd in (12, 17, 32) for x in (0, 1)] + [wide.dot(11, 4, 4, 0, 0)]
    alone = wide.dot(7, 8, 8, 0, 1)
    cases += [wide.dot(16, 8, 8, 0, 1), replace(alone, parameters={**alone.parameters, "UseDsp": 1})]
    cases += [wide.blocks("e2m1", 32), wide.blocks("s8.6", 32), wide.blocks("e3m2", 5), wide.blocks("s4.2", 13)]
    cases += [wide.rounded("e3m2", 9, "e3m2", FloatRounding.NEAREST_EVEN)]
    cases = [replace(case, parameters={**case.parameters, "Adder": adder}) for case in cases]
    assert sampled(cases, tmp_path) == wide.COUNT * len(cases) == wide.COUNT * 14


@pytest.mark.slow
def test_either_adder_by_proof(tmp_path):
    cases = added([dot(5, 1, 1, 0, 1), dot(3, 2, 2, 1, 1), minifloats.dot("ue1m1", "ue1m1", 2)])
    assert proved(cases, tmp_path) == len(cases) == 6
    pairs = [proofs.blocks("e1m1", 2, 0), proofs.blocks("s2.0", 5, 1)]
    named = [(gate.replace("flow_mx_dot #(", f"flow_mx_dot #(.Adder({adder}), "), gold)
             for adder, (gate, gold) in zip((CHAINS, COMPRESSOR), pairs, strict=True)]  # fmt: skip
    assert equivalent(named, tmp_path) == len(pairs) == 2


@pytest.mark.slow
@pytest.mark.parametrize("name", ["flow_dot", "flow_minifloat_dot", "flow_minifloat_dot_encode", "flow_mx_dot"])
def test_there_is_no_other_adder(name, tmp_path):
    bench = f"module bench (input logic clk_i); {name} #(.Adder(3)) u_cell (); endmodule\n"
    job = ProgramJob({**rtl_sources(), "bench.sv": bench}, "bench", args=("--no-timing", "-Wno-fatal"))
    with pytest.raises(ToolError, match="flow_dot_sum: Adder must be 0, 1 or 2, or in a dot product -1"):
        run_program(job, tmp_path)


@pytest.mark.slow
def test_luts_of_every_adder():
    """16 products of 4 bits, LUT4s with those inside the carry cells."""
    shapes = [
        {"Simd": 16, "XWidth": 4, "WWidth": 4, "OutWidth": 12, "Adder": adder} for adder in (0, COMPRESSOR, CHAINS)
    ]
    areas = measure_batch(cell_batch("flow_dot", shapes, Family.ECP5))
    assert [area.lut + area.inverter + CARRY_LUTS[Family.ECP5] * area.carry for area in areas] == [676, 688, 564]


def test_products_that_share_a_dsp48e2():
    """Two of 8 bits, four of 4 bits."""
    shapes = [{"Simd": 2, "Lanes": lanes, "XWidth": width, "WWidth": width, "OutWidth": 2 * width + 1}
              for lanes, width in ((2, 8), (4, 4))]  # fmt: skip
    dsps = [area.dsp for area in measure_batch(cell_batch("flow_dot_packed", shapes, Family.XCUP))]
    assert dsps == [2 * 2 // 2, 2 * 4 // 4]
