"""Closed forms of the cells in `rtl/`: which parts a cell has and how each grows with its parameters.

A form says the features; their coefficients are fitted to `data/cells.json` by non-negative least squares when first
asked for, so no figure of the estimate stands in code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.estimation.characterise import read_cells
from flow.estimation.fit import non_negative_least_squares
from flow.estimation.memory import distributed, goes_to_block_ram
from flow.estimation.sweeps import EITHER
from flow.synthesis import Family

__all__ = [
    "FORMS",
    "Form",
    "buffer_luts",
    "cell_rows",
    "folds",
    "form_for_dot",
    "luts",
    "memory_luts",
    "registers_hold",
    "shared_rows",
    "uses_dsps",
]

Parameters = Mapping[str, int]
Features = dict[str, float]

_LINES_PER_LUT = 64
_LUT_INPUTS = 5  # inputs that one more LUT in a wide gate brings
_DSP_PRODUCT = 9  # bits of the narrowest product that synth_xilinx maps to a DSP
_TABLE_BITS = 6  # operands of a product that is one LUT a bit
_DIGIT_BITS = 2  # bits of a factor with a single digit
_SATURATING = (1, 2, 3)
_LOOKS_AT_REST = (1, 3, 4, 5, 6)
_WRAP_SM = 4


@dataclass(frozen=True, slots=True)
class Form:
    """A closed form.

    Attributes:
        cell: whose rows calibrate it.
        features: what the LUTs grow with.
        known: LUTs that are counted, not fitted: memories and parts with a form of their own.
        covers: which parameters the form is for.
        floor: rows of fewer LUTs than this weigh as this many.
    """

    cell: str
    features: Callable[[Parameters], Features]
    known: Callable[[Parameters, Family], float] = lambda parameters, family: 0.0
    covers: Callable[[Parameters], bool] = lambda parameters: True
    floor: float = 4.0


def _bits(count: int) -> int:
    """Bits of a counter over `count` values; none for one value."""
    return (count - 1).bit_length()


def _odd(count: int) -> bool:
    return count & (count - 1) != 0


def _array_rows(a: int, a_unsigned: int, b: int, b_unsigned: int) -> int:
    """LUTs of the rows of flow_mul_array when the digits are those of `b`, as its header counts them."""
    wide, digits = max(a + a_unsigned, 2), max(b + b_unsigned, 2)
    return -(-digits // 2) * (wide + 1) - digits % 2


def _pair_rows(a: int, a_unsigned: int, b: int, b_unsigned: int) -> int:
    """LUTs of the rows of flow_dot_pair when the digits are those of `b`, as its header counts them."""
    return -(-(b + b_unsigned) // 2) * (2 * a + 4 + a_unsigned)


def shared_rows(p: Parameters) -> int:
    """How many pairs of products of a dot product in logic share their rows; two narrow ones are tables instead."""
    tables = p["Simd"] == 2 and p["XWidth"] + p["WWidth"] <= _TABLE_BITS and p["XWidth"] > 1
    return 0 if tables and p["WWidth"] > _DIGIT_BITS else p["Simd"] // 2


def _product(p: Parameters) -> Features:
    """Products of `XWidth` by `WWidth` bits, two and two in common rows, and the sum of the pairs.

    Single products of up to six bits are tables, one LUT a bit. The sum's additions are as wide as its terms, and grow
    by a bit with every level.
    """
    simd, x, w, unsigned = p["Simd"], p["XWidth"], p["WWidth"], 1 - p["XSigned"]
    small, pairs = x + w <= _TABLE_BITS, shared_rows(p)
    terms, alone = simd - pairs, simd - 2 * pairs
    either = (x, unsigned, w, 0), (w, 0, x, unsigned)
    rows = pairs * min(_pair_rows(*sides) for sides in either)
    single = min(_array_rows(*sides) for sides in either)
    return {
        "rows": rows + (0 if small else alone * single),
        "tables": alone * (x + w) if small else 0,
        "tree": (terms - 1) * (x + w + min(pairs, 1)),
    }


def _requantize(p: Parameters) -> Features:
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


def _argmax(p: Parameters) -> Features:
    return {
        "comparators": p["Lanes"] * p["Width"], "index": p["Lanes"] * p["IndexWidth"],
        "best": p["Width"], "control": 1,
    }  # fmt: skip


def _fifo(p: Parameters) -> Features:
    return {"control": 1, "counters": _bits(p["Depth"])}


def _axis(p: Parameters) -> Features:
    counter = _bits(p["Beats"])
    return {"skid": p["Width"], "control": 1, "counter": min(counter, 1), "wrap": counter * _odd(p["Beats"])}


def _skid(p: Parameters) -> Features:
    return {"skid": p["Width"], "control": 1}


def folds(p: Parameters) -> tuple[int, int]:
    """Input and output folds of a flow_dense."""
    return p["Inputs"] // p["Simd"], p["Outputs"] // p["Pe"]


def _dense(p: Parameters) -> Features:
    """What flow_dense has besides products: the operand's choice, the accumulators, counters and handshake."""
    in_folds, out_folds = folds(p)
    return {
        "input buffer": p["Simd"] * p["XWidth"] if out_folds > 1 else 0,
        "accumulators": p["Pe"] * p["AccWidth"],
        "counters": _bits(in_folds * out_folds) + _bits(in_folds) + _bits(out_folds),
        "control": 1,
    }


def uses_dsps(p: Parameters) -> bool:
    """Whether the products of a flow_dense become DSPs: they may, and are as wide as Yosys asks for."""
    return bool(p["UseDsp"]) and p["XWidth"] + p["WWidth"] >= _DSP_PRODUCT


def _dense_dsp(p: Parameters) -> Features:
    """As flow_dense, and the sums of products that no DSP adds."""
    return {**_dense(p), "adders": p["Pe"] * (p["Simd"] - 1) * (p["XWidth"] + p["WWidth"])}


def buffer_luts(p: Parameters, family: Family) -> float:
    """LUTs of the memory in which flow_dense keeps a vector for its later folds."""
    in_folds, out_folds = folds(p)
    if out_folds == 1 or registers_hold(p["Simd"] * p["XWidth"], in_folds, family):
        return 0.0
    return float(distributed(p["Simd"] * p["XWidth"], in_folds, family))


def _dense_known(p: Parameters, family: Family) -> float:
    """Products as measured on their own, so that their error does not leak into the rest, and the buffer."""
    dot = {"Simd": p["Simd"], "XWidth": p["XWidth"], "WWidth": p["WWidth"], "XSigned": p["XSigned"]}
    found = [r["lut"] for r in cell_rows("flow_dot", family) if all(r[key] == value for key, value in dot.items())]
    return float(p["Pe"] * min(found)) + buffer_luts(p, family)


def _fifo_known(p: Parameters, family: Family) -> float:
    if registers_hold(p["Width"], p["Depth"], family):
        return p["Width"] * -(-p["Depth"] // 4)  # a LUT chooses among four
    return distributed(p["Width"], p["Depth"], family)


def memory_luts(name: str, p: Parameters, family: Family) -> float:
    """LUTs of the memory inside a cell, which are counted."""
    return _fifo_known(p, family) if name == "flow_fifo" else 0.0


def _fork(p: Parameters) -> Features:
    return {"handshake": p["Ways"], "control": 1}


def _rom(p: Parameters) -> Features:
    """A column is one function of the address: a LUT6 for every 64 lines, and multiplexers beside the LUTs."""
    return {"columns": p["Columns"] * -(-p["Depth"] // _LINES_PER_LUT)}


def _narrow(p: Parameters) -> bool:
    return min(p["XWidth"], p["WWidth"]) <= 2


FORMS: Mapping[str, Form] = {
    "dot, narrow": Form("flow_dot", _product, covers=_narrow),
    "dot, one": Form("flow_dot", _product, covers=lambda p: not _narrow(p) and p["Simd"] == 1),
    "dot": Form("flow_dot", _product, covers=lambda p: not _narrow(p) and p["Simd"] > 1),
    "flow_dense": Form("flow_dense", _dense, _dense_known, covers=lambda p: not p["UseDsp"]),
    "flow_dense, dsp": Form("flow_dense", _dense_dsp, buffer_luts, covers=lambda p: bool(p["UseDsp"])),
    "rom": Form("rom", _rom, covers=lambda p: p["Depth"] >= 8 and not goes_to_block_ram(p["Width"], p["Depth"])),
    "flow_requantize": Form("flow_requantize", _requantize),
    "flow_argmax": Form("flow_argmax", _argmax),
    "flow_fifo": Form("flow_fifo", _fifo, _fifo_known),
    "flow_axis_in": Form("flow_axis_in", _axis),
    "flow_axis_out": Form("flow_axis_out", _axis),
    "flow_skid": Form("flow_skid", _skid),
    "flow_fork": Form("flow_fork", _fork),
}


def form_for_dot(p: Parameters) -> str:
    """The form of a dot product with these parameters."""
    return next(name for name in ("dot, narrow", "dot, one", "dot") if FORMS[name].covers(p))


@cache
def cell_rows(cell: str, family: Family) -> tuple[dict[str, Any], ...]:
    """The measurements of a cell; logic is measured on one family for both."""
    measured = Family.XCUP if cell in EITHER else family
    return tuple(row for row in read_cells()["rows"] if row["cell"] == cell and row["family"] == measured.value)


@cache
def _coefficients(name: str, family: Family) -> NDArray[np.float64]:
    form = FORMS[name]
    rows = [row for row in cell_rows(form.cell, family) if form.covers(row)]
    features = np.array([list(form.features(row).values()) for row in rows], dtype=np.float64)
    target = np.array([row["lut"] - form.known(row, family) for row in rows], dtype=np.float64)
    weight = np.array([max(row["lut"], form.floor) for row in rows])
    return non_negative_least_squares(features, target, weight)


def luts(name: str, parameters: Parameters, family: Family) -> Features:
    """LUTs of a cell by part, from its form; what the form counts rather than fits is not in it."""
    features = FORMS[name].features(parameters)
    return {
        part: float(size * factor)
        for (part, size), factor in zip(features.items(), _coefficients(name, family), strict=True)
    }


@cache
def _largest_in_registers(family: Family) -> int:
    """Bits of the largest FIFO that Yosys built of flip-flops, told by their number."""
    counters = {depth: _bits(depth + 1) + 3 * _bits(depth) for depth in range(1, 65)}
    return max(
        int(row["Width"] * row["Depth"])
        for row in cell_rows("flow_fifo", family)
        if row["ff"] >= counters[row["Depth"]] + row["Width"] * row["Depth"]
    )


def registers_hold(width: int, depth: int, family: Family) -> bool:
    """Whether a memory is so small that flip-flops hold it; one line is a plain register."""
    return depth == 1 or width * depth <= _largest_in_registers(family)
