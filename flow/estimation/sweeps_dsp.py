"""The sweeps of cells whose products are DSPs, which differ between the families that share their LUTs: a DSP48E1 takes
registers and additions in, from a DSP48E2 Yosys leaves them outside.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from flow.synthesis import Family

__all__ = ["DSP_SWEEPS", "WIDE_PORT"]

Parameters = dict[str, int]
Sweep = Callable[[Family], Iterator[Parameters]]

WIDE_PORT = {Family.XC7: 25, Family.XCUP: 27}  # bits of the factor that holds several weights


def _layer(outputs: int, pe: int, simd: int, x: int, w: int, signed: int = 0) -> Parameters:
    acc = x + w + (16 // simd * simd - 1).bit_length() + 1
    return {"Inputs": 16 // simd * simd, "Outputs": outputs, "Pe": pe, "Simd": simd, "XWidth": x, "XSigned": signed,
            "WWidth": w, "WSigned": 1, "AccWidth": acc, "ProductShift": 0, "UseDsp": 1}  # fmt: skip


_CASCADES = ((1, 8, 6), (1, 16, 5), (2, 8, 8), (1, 16, 8))  # several of them in a dot product


def _dense(family: Family) -> Iterator[Parameters]:
    """One product to a DSP, and on Xilinx as many as fit."""
    shapes = [(1, 1, 5), (1, 1, 6), (1, 2, 6), (1, 4, 6), (2, 2, 6), (1, 1, 8), (1, 4, 8), (2, 4, 5)]
    for pe, simd, width in (*shapes, *_CASCADES):
        yield _layer(8, pe, simd, width, width)
    if family not in WIDE_PORT:
        for pe, simd, width in ((4, 1, 5), (1, 2, 5), (1, 8, 5), (4, 2, 7), (2, 1, 8), (1, 8, 7)):
            yield _layer(8, pe, simd, width, width)
        return
    for pe, simd, x, w, signed in ((4, 8, 5, 4, 0), (2, 16, 6, 5, 1), (8, 1, 7, 6, 1), (4, 3, 4, 8, 0)):
        yield _layer(8, pe, simd, x, w, signed)
    for outputs, pe, simd, x, w, signed in (
        (8, 2, 1, 8, 8, 0), (8, 4, 1, 4, 4, 0), (6, 3, 2, 4, 4, 0), (8, 2, 4, 8, 8, 0), (8, 4, 2, 6, 6, 0),
        (10, 5, 1, 5, 5, 0), (8, 8, 4, 4, 4, 1), (8, 2, 2, 6, 6, 1), (4, 4, 8, 5, 7, 0), (8, 2, 1, 7, 5, 1),
        (6, 6, 2, 5, 4, 0), (7, 7, 1, 4, 3, 0),
    ):  # fmt: skip
        yield _layer(outputs, pe, simd, x, w, signed) | {"UseDsp": 2, "DspWidth": WIDE_PORT[family]}


def _depthwise(family: Family) -> Iterator[Parameters]:
    shapes = [(1, 8, 9, 8), (2, 4, 9, 6), (4, 1, 9, 5), (1, 3, 4, 6), (3, 2, 9, 7)]
    if family not in WIDE_PORT:
        shapes += [(1, 4, 9, 5), (2, 2, 4, 5)]
    for lanes, groups, taps, width in shapes:
        acc = 2 * width + taps.bit_length() + 1
        yield {"Lanes": lanes, "Groups": groups, "Taps": taps, "XWidth": width, "XSigned": 0, "WWidth": width,
               "WSigned": 1, "AccWidth": acc, "ProductShift": 0, "UseDsp": 1}  # fmt: skip


def _scale_shift(family: Family) -> Iterator[Parameters]:
    shapes = [(1, 1, 6, 6, 1), (1, 8, 12, 6, 1), (2, 4, 8, 5, 0), (4, 2, 6, 7, 1), (3, 5, 9, 8, 0)]
    if family not in WIDE_PORT:
        shapes += [(1, 4, 5, 5, 1), (2, 2, 5, 5, 0), (4, 3, 5, 5, 1)]
    for lanes, beats, x, s, signed in shapes:
        yield {"Lanes": lanes, "Beats": beats, "XWidth": x, "XSigned": signed, "SWidth": s, "SSigned": 1,
               "OutWidth": x + s + 2, "ProductShift": 0, "UseDsp": 1}  # fmt: skip


# By the name of their points: the cell's, and what tells them from its other points.
DSP_SWEEPS: Mapping[str, Sweep] = {
    "flow_dense+dsp": _dense,
    "flow_depthwise+dsp": _depthwise,
    "flow_scale_shift+dsp": _scale_shift,
}
