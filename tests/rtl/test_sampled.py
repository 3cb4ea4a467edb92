"""Wide dot products of every kind on random vectors and on the corners: all lowest, all highest, and mixed."""

from __future__ import annotations

import numpy as np
import pytest

from flow.formats import FixedPoint, Minifloat
from flow.formats.block_dots import block_dots
from flow.formats.blocks import BlockFormat, BlockTensor
from flow.formats.minifloat_cast import FloatRounding, encode_integers
from tests.rtl.bench.vectors import Sampled, sampled

COUNT = 200


def codes(rng: np.random.Generator, width: int, lanes: int) -> np.ndarray:
    """int64[COUNT, lanes] bit patterns; the first rows hold only the ends of the unsigned and the signed range."""
    found = rng.integers(0, 1 << width, (COUNT, lanes))
    ends = np.array([0, 1 << (width - 1), (1 << (width - 1)) - 1, (1 << width) - 1])
    found[:4] = ends[:, None]
    found[4:40] = rng.choice(ends, (36, lanes))
    return found


def signed(patterns: np.ndarray, width: int, is_signed: int) -> np.ndarray:
    return patterns - ((patterns >> (width - 1) & is_signed) << width)


def packed(patterns: np.ndarray, width: int) -> list[int]:
    """Rows of bit patterns as numbers, the first lane in the lowest bits."""
    return [sum(int(code) << (lane * width) for lane, code in enumerate(row)) for row in patterns]


def dot(simd: int, x: int, w: int, xs: int, ws: int, use_dsp: int = 0) -> Sampled:
    rng, out = np.random.default_rng(simd * 100 + x * 10 + w), x + w + (simd - 1).bit_length()
    left, right = codes(rng, x, simd), codes(rng, w, simd)
    sums = (signed(left, x, xs) * signed(right, w, ws)).sum(axis=1)
    parameters = {"Simd": simd, "XWidth": x, "XSigned": xs, "WWidth": w, "WSigned": ws, "OutWidth": out,
                  "UseDsp": use_dsp}  # fmt: skip
    given = {"x_i": packed(left, x), "w_i": packed(right, w)}
    return Sampled("flow_dot", parameters, {"x_i": simd * x, "w_i": simd * w}, {"y_o": out}, given, {"y_o": sums})


def dsp(simd: int, lanes: int, x: int, w: int, xs: int, ws: int, port: int) -> Sampled:
    rng, out = np.random.default_rng(simd * 100 + x * 10 + w), x + w + (simd - 1).bit_length()
    left, right = codes(rng, x, simd), codes(rng, w, lanes * simd)
    rows = signed(right, w, ws).reshape(COUNT, lanes, simd)
    sums = (signed(left, x, xs)[:, None] * rows).sum(axis=2)
    parameters = {"Simd": simd, "Lanes": lanes, "XWidth": x, "XSigned": xs, "WWidth": w, "WSigned": ws,
                  "OutWidth": out, "DspWidth": port}  # fmt: skip
    given = {"x_i": packed(left, x), "w_i": packed(right, w)}
    wanted = {"y_o": packed(sums & ((1 << out) - 1), out)}
    inputs = {"x_i": simd * x, "w_i": lanes * simd * w}
    return Sampled("flow_dot_packed", parameters, inputs, {"y_o": lanes * out}, given, wanted)


def compressor(terms: int, width: int, s: int) -> Sampled:
    words, out = codes(np.random.default_rng(terms), width, terms), width + (terms - 1).bit_length()
    parameters = {"Terms": terms, "Width": width, "Signed": s, "OutWidth": out}
    wanted = {"y_o": signed(words, width, s).sum(axis=1)}
    return Sampled(
        "flow_compressor", parameters, {"x_i": terms * width}, {"y_o": out}, {"x_i": packed(words, width)}, wanted
    )


def fields(form: Minifloat | FixedPoint, prefix: str) -> dict[str, int]:
    """Exponent and mantissa of an element; an integer has no exponent."""
    if isinstance(form, FixedPoint):
        return {f"{prefix}Exponent": 0, f"{prefix}Mantissa": form.width - 1}
    return {f"{prefix}Exponent": form.exponent, f"{prefix}Mantissa": form.mantissa}


def blocks(text: str, block: int) -> Sampled:
    """Two blocks against `flow.formats.block_dots`, with scales of every size, the smallest, the largest and NaN."""
    form, rng = BlockFormat.parse(f"mx{text}b{block}"), np.random.default_rng(block)
    width = form.element.width if isinstance(form.element, FixedPoint) else form.element.bits
    elements = [codes(rng, width, block) for _ in "ab"]
    scales = [codes(rng, 8, 1) for _ in "ab"]
    scales[0][50:60], scales[1][52:70] = 255, 254
    values = [signed(e, width, 1) if isinstance(form.element, FixedPoint) else e for e in elements]
    tensors = [BlockTensor(form, value, np.full((COUNT, 1), 127)) for value in values]
    sums = block_dots(*tensors)[:, 0]
    total = (scales[0] + scales[1] - 254)[:, 0]
    nan = ((scales[0] == 255) | (scales[1] == 255))[:, 0]
    given = {"a_i": packed(elements[0], width), "b_i": packed(elements[1], width)}
    given |= {"a_scale_i": scales[0][:, 0].tolist(), "b_scale_i": scales[1][:, 0].tolist()}
    element = form.element
    product = 2 * width if isinstance(element, FixedPoint) else 2 * ((1 << element.exponent) + element.mantissa) - 1
    outputs = {"sum_o": product + (block - 1).bit_length(), "exponent_o": 10, "nan_o": 1}
    inputs = {"a_i": block * width, "a_scale_i": 8, "b_i": block * width, "b_scale_i": 8}
    parameters = {"Block": block, **fields(form.element, "A"), **fields(form.element, "B")}
    wanted = {"sum_o": sums, "exponent_o": total, "nan_o": nan}
    return Sampled("flow_mx_dot", parameters, inputs, outputs, given, wanted)


def rounded(text: str, simd: int, target: str, rounding: FloatRounding) -> Sampled:
    form, out, rng = Minifloat.parse(text), Minifloat.parse(target), np.random.default_rng(simd)
    a, b = (codes(rng, form.bits, simd) for _ in "ab")
    sums = (form.integers(a) * form.integers(b)).sum(axis=1)
    shift = 2 * form.frac - out.frac
    parameters = {"Simd": simd, **fields(form, "A"), **fields(form, "B"), "Shift": shift, **fields(out, "")}
    parameters |= {"Rounding": list(FloatRounding).index(rounding), "Highest": out.highest_code}
    given = {"a_i": packed(a, form.bits), "b_i": packed(b, form.bits)}
    wanted = {"code_o": encode_integers(sums, 2 * form.frac, out, rounding)}
    inputs = {"a_i": simd * form.bits, "b_i": simd * form.bits}
    return Sampled("flow_minifloat_dot_encode", parameters, inputs, {"code_o": out.bits}, given, wanted)


def test_integers(tmp_path):
    cases = [dot(4, 8, 8, xs, ws) for xs in (0, 1) for ws in (0, 1)] + [dot(5, 6, 5, 0, 1), dot(2, 7, 8, 1, 0)]
    cases += [dot(7, 8, 8, 0, 1, 1), dot(13, 5, 6, 1, 1, 1), dot(16, 6, 4, 0, 0, 1)]
    cases += [dsp(2, 2, 8, 8, x, 1, port) for x in (0, 1) for port in (25, 27)] + [dsp(3, 4, 4, 4, 0, 1, 27)]
    cases += [dsp(1, 4, 4, 4, 1, 1, 27), dsp(4, 3, 4, 4, 0, 1, 25)]
    cases += [dsp(2, 2, 6, 8, 0, 0, 27), dsp(2, 2, 8, 6, 1, 0, 27)]
    cases += [compressor(32, 12, s) for s in (0, 1)] + [compressor(19, 7, 1), compressor(49, 1, 0)]
    assert sampled(cases, tmp_path) == COUNT * len(cases) == COUNT * 22


def test_blocks_and_minifloats(tmp_path):
    cases = [blocks("e2m1", 32), blocks("s8.6", 32), blocks("e3m2", 5), blocks("s4.2", 3)]
    cases += [blocks("e4m3", 4), blocks("e5m2", 4)]  # MXFP8: the codes of its NaNs and infinities are numbers here
    cases += [rounded("e3m2", 4, "e3m2", FloatRounding.NEAREST_EVEN), rounded("e4m3", 3, "e5m2", FloatRounding.DOWN)]
    assert sampled(cases, tmp_path) == COUNT * len(cases) == COUNT * 8


@pytest.mark.slow
def test_more_blocks_and_every_rounding(tmp_path):
    cases = [blocks(text, 32) for text in ("e2m3", "e3m2", "s4.2", "e1m2", "e4m3", "e5m2")]
    cases += [rounded("e2m1", 8, "e4m3fn", rounding) for rounding in FloatRounding]
    assert sampled(cases, tmp_path) == COUNT * len(cases) == COUNT * 11


def test_a_wrong_value_is_seen(tmp_path):
    case = compressor(3, 4, 0)
    case.wanted["y_o"][77] += 1
    with pytest.raises(AssertionError, match=r"flow_compressor .*: vectors \[77\] differ"):
        sampled([case], tmp_path)
