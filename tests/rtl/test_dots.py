"""Dot products of integers: every input of small ones, a proof at one size, and as small as they promise."""

from __future__ import annotations

import itertools

import numpy as np

from flow.estimation.characterise import Case as Copy
from flow.estimation.characterise import measure_cases
from flow.synthesis import Family
from tests.rtl.bench.exhaustive import Case, Cell, checked, wrapped
from tests.rtl.bench.proof import proved

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


def compressor(terms: int, width: int, signed: int, out: int) -> Case:
    parameters = {"Terms": terms, "Width": width, "Signed": signed, "OutWidth": out}
    cell = Cell("flow_compressor", parameters, {"x_i": terms * width}, ("y_o", out))
    words = np.arange(1 << cell.bits)
    return cell, np.sum([wrapped(words >> (i * width), width, bool(signed)) for i in range(terms)], axis=0)


# Both parities and both orders of the widths: the digits of either side, and rows that end with the sum.
PAIRS = ((1, 1), (1, 2), (2, 1), (2, 2), (1, 6), (6, 1), (3, 2), (2, 3), (3, 3), (4, 3), (2, 5), (5, 2), (4, 4))
# Products in pairs, as tables, one left over, one alone.
DOTS = ((1, 6, 5), (2, 3, 3), (2, 3, 4), (3, 2, 3), (3, 3, 2), (4, 2, 2), (5, 1, 2), (6, 1, 1))


# Simd, lanes, widths of code and weight, width of the port, bits out: four lanes that just fit their port, four that
# miss it by a bit, a port with bits to spare, one lane, sums that wrap.
PACKED = ((1, 2, 4, 4, 12, 8), (2, 2, 2, 3, 27, 7), (1, 4, 2, 3, 18, 6), (1, 4, 2, 3, 17, 6), (2, 1, 4, 3, 27, 8),
          (1, 2, 3, 2, 6, 3), (2, 2, 2, 2, 5, 6))  # fmt: skip
# Terms of one level and of several, and what six and three do not divide.
COMPRESSED = ((1, 4), (2, 4), (3, 4), (4, 3), (5, 3), (6, 2), (7, 2), (8, 2), (9, 1), (14, 1), (16, 1))


def test_every_input(tmp_path):
    cases = [pair(*widths, *signs) for widths in PAIRS for signs in SIGNS]
    cases += [dot(*shape, *signs) for shape in DOTS for signs in SIGNS]
    cases += [dot(3, 2, 3, 0, 1, cut=2), dot(3, 2, 3, 1, 1, cut=6)]
    cases += [dot(2, 4, 4, 0, 1, dsp=1), dot(2, 2, 3, 1, 0, dsp=1)]
    cases += [packed(*shape[:4], x, 1, *shape[4:]) for shape in PACKED for x in (0, 1)]
    cases += [packed(*shape[:4], x, 0, 27, shape[5]) for shape in PACKED for x in (0, 1)]
    cases += [compressor(terms, width, s, width + 4 - s) for terms, width in COMPRESSED for s in (0, 1)]
    assert checked(cases, tmp_path) == {
        "flow_dot_pair": 616_000,
        "flow_dot": 893_952,
        "flow_dot_packed": 492_032,
        "flow_compressor": 419_360,
    }


def test_small_sizes_by_proof(tmp_path):
    cases = [pair(2, 3, 0, 1), pair(3, 2, 1, 1), dot(3, 2, 2, 0, 1), packed(1, 2, 3, 3, 0, 1, 27, 6)]
    cases += [packed(1, 2, 3, 2, 1, 1, 6, 5), compressor(7, 1, 0, 3)]
    assert proved(cases, tmp_path) == len(cases) == 6


# Simd, XWidth, WWidth, XSigned: LUTs of unsigned or signed codes by signed weights.
BOUNDS = {
    (2, 4, 4, 0): 24, (2, 8, 8, 0): 82, (4, 2, 2, 0): 19, (4, 4, 4, 0): 57, (4, 6, 6, 0): 111, (4, 8, 8, 0): 181,
    (4, 8, 8, 1): 177,
}  # fmt: skip


def test_luts_of_a_dot_product():
    copies = [
        Copy("flow_dot", {"Simd": simd, "XWidth": x, "XSigned": signed, "WWidth": w, "OutWidth": x + w + simd // 2})
        for simd, x, w, signed in BOUNDS
    ]
    areas = measure_cases(copies, Family.XCUP)
    used = {shape: area.lut + area.inverter for shape, area in zip(BOUNDS, areas, strict=True)}
    assert {shape: luts for shape, luts in used.items() if luts > BOUNDS[shape]} == {}
