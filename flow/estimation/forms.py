"""Closed forms of the cells in `rtl/`: which parts a cell has and how each grows with its parameters.

A form says the features; their coefficients stand in `data/fits.json`, fitted to the measured points by
`flow characterize`, so no figure of the estimate stands in code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.estimation.fit import non_negative_least_squares
from flow.estimation.forms_parts import bits_of, columns_of_rom, lines_of_ram, odd, ram_luts, tree_bits, wraps
from flow.estimation.memory import Place, block_rows, goes_to_block_ram, place_of_ram
from flow.estimation.points import read_points
from flow.estimation.sweeps import measured_on
from flow.synthesis import Family

__all__ = [
    "STREAM_FORMS",
    "TABLE_BITS",
    "Form",
    "array_digits",
    "buffer_luts",
    "cell_rows",
    "dense_features",
    "folds",
    "form_for_dot",
    "measured_dot",
    "memory_luts",
    "product_features",
    "requantize_features",
    "shared_rows",
]

Parameters = Mapping[str, int]
Features = dict[str, float]

_LUT_INPUTS = 5  # inputs that one more LUT in a wide gate brings
TABLE_BITS = 6  # operands of a product that is one LUT a bit
_DIGIT_BITS = 2  # bits of a factor with a single digit
_SATURATING = (1, 2, 3)
_LOOKS_AT_REST = (1, 3, 4, 5, 6)
_WRAP_SM = 4


def _nothing(parameters: Parameters, family: Family, resource: str) -> float:
    return 0.0


@dataclass(frozen=True, slots=True)
class Form:
    """A closed form.

    Attributes:
        cell: whose rows calibrate it.
        features: what the LUTs grow with.
        known: what is counted, not fitted, of a resource: memories and parts with a form of their own.
        covers: which parameters the form is for.
        floor: rows of fewer LUTs than this weigh as this many.
        fits: which resources have coefficients of their own.
        bound: percent; a fit whose cross-validated error is larger on average is refused. Twice as much is allowed
            where LUTs have four inputs and carry cells hold some of the logic.
    """

    cell: str
    features: Callable[[Parameters, Family], Features]
    known: Callable[[Parameters, Family, str], float] = _nothing
    covers: Callable[[Parameters, Family], bool] = lambda parameters, family: True
    floor: float = 4.0
    bound: float = 10.0
    fits: tuple[str, ...] = ("lut", "carry")


def array_digits(a: int, b: int, a_unsigned: int, b_unsigned: int) -> tuple[bool, int, int]:
    """Whether a flow_mul_array recodes `a` rather than `b`, as its text chooses; the bits of the other operand; how
    many digits, and so rows, there are.
    """
    a_wide, b_wide = max(a + a_unsigned, 2), max(b + b_unsigned, 2)
    digits_b = (b_wide + 1) // 2 * (a_wide + 1) - b_wide % 2
    digits_a = (a_wide + 1) // 2 * (b_wide + 1) - a_wide % 2
    swap = digits_a < digits_b
    return (swap, b_wide, (a_wide + 1) // 2) if swap else (swap, a_wide, (b_wide + 1) // 2)


def _array_rows(a: int, b: int, a_unsigned: int, b_unsigned: int) -> tuple[int, int]:
    """Bits of all rows of a flow_mul_array, and how many rows it has."""
    _, width, count = array_digits(a, b, a_unsigned, b_unsigned)
    return sum(min(a + b - 2 * i, width + 2) for i in range(count)), count


def _pair_rows(a: int, b: int, a_unsigned: int, b_unsigned: int) -> tuple[int, int]:
    """The same of a flow_dot_pair, two rows a digit."""
    digits_a, digits_b = (a + a_unsigned + 1) // 2, (b + b_unsigned + 1) // 2
    swap = digits_a * (2 * b + 4 + b_unsigned) < digits_b * (2 * a + 4 + a_unsigned)
    width, unsigned, count = (b + 1, b_unsigned, digits_a) if swap else (a + 1, a_unsigned, digits_b)
    bits = 0
    for i in range(count):
        left = a + b + 1 - 2 * i
        bits += min(left, width + 1 + (unsigned and i > 0)) + min(left, width + 2)
    return bits, 2 * count


def shared_rows(p: Parameters) -> int:
    """How many pairs of products of a flow_dot share their rows: all, but for two that are tables."""
    x, w, simd = p["XWidth"], p["WWidth"], p["Simd"]
    return 0 if simd == 2 and x + w <= TABLE_BITS and x > 1 and w > _DIGIT_BITS else simd // 2


def product_features(p: Parameters, family: Family) -> Features:
    """Products of `XWidth` by signed `WWidth` bits, two sharing their rows, and the tree that adds what is left.

    A row takes a LUT6 a bit but the lowest; a product of up to six bits is a table. The tree takes one a bit of its
    sums.
    """
    simd, x, w, unsigned = p["Simd"], p["XWidth"], p["WWidth"], 1 - p["XSigned"]
    tables, pairs = x + w <= TABLE_BITS, shared_rows(p)
    single = simd - 2 * pairs
    pair_bits, pair_rows = _pair_rows(x, w, unsigned, 0)
    one_bits, one_rows = (0, 0) if tables else _array_rows(x, w, unsigned, 0)
    terms = pairs + single
    return {
        "rows": pairs * (pair_bits - pair_rows) + single * (one_bits - one_rows),
        "signs": pairs * pair_rows + single * one_rows,
        "tables": single * (x + w) if tables else 0,
        "tree": tree_bits(terms, x + w + (pairs > 0)),
    }


def requantize_features(p: Parameters) -> Features:
    """The bits that are left, a wide gate over those that are cut off on either side, and the choice of a limit."""
    drop, lift = max(p["Shift"], 0), max(-p["Shift"], 0)
    raised = p["Rounding"] != 0 and drop > 0
    bits = max(p["InWidth"] - drop, 0) + lift + raised
    limit = p["OutWidth"] - int(p["OutSigned"] and not p["InSigned"])
    above = max(bits - limit, 0) if p["Overflow"] in _SATURATING or p["Overflow"] == _WRAP_SM else 0
    rest = max(drop - 1, 0) if p["Rounding"] in _LOOKS_AT_REST else 0
    return {
        "limit": min(p["OutWidth"], bits) if above else 0,
        "overflow": above / _LUT_INPUTS,
        "rounding": rest / _LUT_INPUTS,
        "raise": int(raised),
    }


def _quantize_stream(p: Parameters, family: Family) -> Features:
    """Casts in front of their register, which takes over a limit of one value, but not the two of a sum with a sign."""
    lanes, cast = p["Lanes"], requantize_features(p)
    saturates = int(p["Overflow"] == 1 and cast["limit"] > 0)
    both = int(saturates and p["InSigned"] and p["OutSigned"])
    below = int(p["Overflow"] == 1 and p["InSigned"] and not p["OutSigned"])
    found = {
        "limits": both * cast["limit"],
        "lower limit": saturates * below * cast["limit"],
        "other limits": (1 - saturates) * cast["limit"],
        "beyond": saturates + below,
        "signed overflow": both * cast["overflow"],
        "overflow": (1 - both) * cast["overflow"],
        "rounding": cast["rounding"],
        "raise": cast["raise"],
    }
    return {**{name: lanes * size for name, size in found.items()}, "control": 1}


def _argmax(p: Parameters, family: Family) -> Features:
    """The best code so far against the first lane, and lane after lane against what was better."""
    more = p["Lanes"] - 1
    return {
        "best": p["Width"], "index": p["IndexWidth"] + more * p["IndexWidth"], "comparators": more * p["Width"],
        "control": 1,
    }  # fmt: skip


def _fifo(p: Parameters, family: Family) -> Features:
    """Counters, the choice of a line, and beside block RAM the way around it for a fresh beat."""
    width, depth = p["Width"], p["Depth"]
    around = place_of_ram(width, depth, family) is Place.BLOCKS
    return {
        "control": 1, "counters": bits_of(depth), "wraps": wraps(depth), **lines_of_ram(width, depth, family),
        "around": width if around else 0, "compare": bits_of(depth) if around else 0,
    }  # fmt: skip


def _axis(p: Parameters, family: Family) -> Features:
    counter = bits_of(p["Beats"])
    return {"skid": p["Width"], "control": 1, "counter": min(counter, 1), "wrap": counter * odd(p["Beats"])}


def _skid(p: Parameters, family: Family) -> Features:
    return {"skid": p["Width"], "control": 1}


def folds(p: Parameters) -> tuple[int, int]:
    """Input and output folds of a flow_dense."""
    return p["Inputs"] // p["Simd"], p["Outputs"] // p["Pe"]


def dense_features(p: Parameters, family: Family) -> Features:
    """What flow_dense has besides products: the operand's choice, the accumulators, counters and handshake."""
    in_folds, out_folds = folds(p)
    operands = p["Simd"] * p["XWidth"] if out_folds > 1 else 0
    lines = lines_of_ram(operands, in_folds, family) if operands else {"choice": 0, "primitives": 0}
    return {
        "input buffer": operands,
        **lines,
        "accumulators": p["Pe"] * p["AccWidth"],
        "counters": bits_of(in_folds * out_folds) + bits_of(in_folds) + bits_of(out_folds),
        "wraps": wraps(in_folds * out_folds, in_folds, out_folds),
        "control": 1,
    }


def buffer_luts(p: Parameters, family: Family, resource: str = "lut") -> float:
    """LUTs of the memory in which flow_dense keeps a vector for its later folds."""
    in_folds, out_folds = folds(p)
    return ram_luts(p["Simd"] * p["XWidth"], in_folds, family, resource) if out_folds > 1 else 0.0


def measured_dot(p: Parameters, family: Family, resource: str) -> float:
    """A dot product as measured on its own, so that its error does not leak into what is around it.

    Where just this one has not been measured, what those of its form say about it.
    """
    dot = {"Simd": p["Simd"], "XWidth": p["XWidth"], "WWidth": p["WWidth"], "XSigned": p["XSigned"]}
    rows = cell_rows("flow_dot", family)
    found = [r[resource] for r in rows if all(r[key] == value for key, value in dot.items())]
    if found:
        return float(min(found))
    return float(
        np.array(list(product_features(dot, family).values())) @ _dot_coefficients(form_for_dot(dot), family, resource)
    )


@cache
def _dot_coefficients(name: str, family: Family, resource: str) -> NDArray[np.float64]:
    rows = [r for r in cell_rows("flow_dot", family) if STREAM_FORMS[name].covers(r, family)]
    features = np.array([list(product_features(r, family).values()) for r in rows], dtype=np.float64)
    target = np.array([r[resource] for r in rows], dtype=np.float64)
    return non_negative_least_squares(features, target, np.maximum(target, STREAM_FORMS[name].floor))


def _dense_known(p: Parameters, family: Family, resource: str) -> float:
    return p["Pe"] * measured_dot(p, family, resource) + buffer_luts(p, family, resource)


def _fifo_known(p: Parameters, family: Family, resource: str) -> float:
    return ram_luts(p["Width"], p["Depth"], family, resource)


def memory_luts(name: str, p: Parameters, family: Family) -> float:
    """LUTs of the memory inside a cell, which are counted."""
    return _fifo_known(p, family, "lut") if name == "flow_fifo" else 0.0


def _fork(p: Parameters, family: Family) -> Features:
    return {"handshake": p["Ways"], "control": 1}


def _rom(p: Parameters, family: Family) -> Features:
    return columns_of_rom(p["Columns"], p["Depth"], family)


def _rom_blocks(p: Parameters, family: Family) -> Features:
    """Behind block RAM a choice among the lines that it holds side by side."""
    rows = block_rows(p["Width"], p["Depth"], family)
    return {"block choice": p["Width"] * (rows - 1) if rows > 2 else 0, "rows": bits_of(rows) if rows > 2 else 0}


def _table(p: Parameters, family: Family) -> Features:
    """As of a ROM; smooth tables leave out some LUTs."""
    return columns_of_rom(p["Width"], 1 << p["Bits"], family)


def _rom_in_luts(p: Parameters, family: Family) -> bool:
    return p["Depth"] >= 8 and not goes_to_block_ram(p["Width"], p["Depth"], family)


def _narrow(p: Parameters) -> bool:
    return min(p["XWidth"], p["WWidth"]) <= 2


STREAM_FORMS: Mapping[str, Form] = {
    "dot, narrow": Form("flow_dot", product_features, covers=lambda p, f: _narrow(p), bound=15.0),
    "dot, one": Form("flow_dot", product_features, covers=lambda p, f: not _narrow(p) and p["Simd"] == 1),
    "dot": Form("flow_dot", product_features, covers=lambda p, f: not _narrow(p) and p["Simd"] > 1),
    "flow_dense": Form("flow_dense", dense_features, _dense_known),
    "rom": Form("rom", _rom, covers=_rom_in_luts),
    "rom, blocks": Form("deep_rom", _rom_blocks, floor=16.0, bound=15.0, fits=("lut", "ff", "carry")),
    "table": Form("table", _table, bound=40.0),
    "flow_requantize": Form("flow_requantize", lambda p, f: requantize_features(p), floor=8.0, bound=25.0),
    "flow_quantize_stream": Form("flow_quantize_stream", _quantize_stream, floor=8.0, bound=25.0),
    "flow_argmax": Form("flow_argmax", _argmax),
    "flow_fifo": Form("flow_fifo", _fifo, _fifo_known),
    "flow_axis_in": Form("flow_axis_in", _axis),
    "flow_axis_out": Form("flow_axis_out", _axis),
    "flow_skid": Form("flow_skid", _skid, floor=16.0),
    "flow_fork": Form("flow_fork", _fork, floor=16.0),
}


def form_for_dot(p: Parameters) -> str:
    """The form of a dot product with these parameters."""
    return next(n for n in ("dot, narrow", "dot, one", "dot") if STREAM_FORMS[n].covers(p, Family.XCUP))


@cache
def cell_rows(cell: str, family: Family) -> tuple[dict[str, Any], ...]:
    """The measurements of a cell; plain logic is measured on one family for both of Xilinx."""
    return tuple(row for row in _points(measured_on(cell, family))["rows"] if row["cell"] == cell)


@cache
def _points(family: Family) -> dict[str, Any]:
    return read_points(family)
