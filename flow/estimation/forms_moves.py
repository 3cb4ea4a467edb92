"""The closed forms of what moves codes, joins them, casts them by place or to minifloats, and of softmax."""

from __future__ import annotations

from collections.abc import Mapping

from flow.estimation.forms import Form, measured_dot
from flow.estimation.forms_parts import bits_of, lines_of_ram, odd, ram_luts
from flow.estimation.memory import Place, place_of_ram, rom_bits_per_lut
from flow.synthesis import Family

__all__ = ["MOVE_FORMS", "move_registers", "row_luts"]

Parameters = Mapping[str, int]
Features = dict[str, float]

_TOWARD_ZERO = 2  # number of the first rounding of flow_minifloat_encode that is not to the nearest


def _available(p: Parameters) -> int:
    """Bits of the count of beats that are there."""
    return (p["Depth"] + p["Beats"]).bit_length() + 1


def _move(p: Parameters, family: Family) -> Features:
    """A ring, its addresses and counts, and the counters of its walk with their tables."""
    return {
        **lines_of_ram(p["Width"], p["Depth"], family), "counts": 3 * _available(p) + bits_of(p["Depth"]),
        "counters": p["Counters"] + p["Wraps"], "adders": p["Adders"], "tables": p["Tables"],
        "zeros": p["Zeros"] * p["Width"], "control": 1,
    }  # fmt: skip


def _move_known(p: Parameters, family: Family, resource: str) -> float:
    return ram_luts(p["Width"], p["Depth"], family, resource)


def move_registers(p: Parameters, family: Family) -> int:
    """Counters, both addresses, counts of beats, valid and a mark; the beat that is read, if not from block RAM, and
    once more where zeros come between.
    """
    place = place_of_ram(p["Width"], p["Depth"], family)
    ring = p["Width"] * p["Depth"] if place is Place.REGISTERS else 0
    read = 0 if place is Place.BLOCKS else p["Width"] * (1 + p["Zeros"])
    counts = p["Counters"] + bits_of(p["Depth"]) + p["Base"] + _available(p) + p["Freed"]
    return counts + 2 + p["Zeros"] + read + ring


def _concat(p: Parameters, family: Family) -> Features:
    """An AND and an OR for every part, two of them in a LUT, and the turns of the parts."""
    turns = bits_of(p["Turns"])
    return {
        "choice": p["Bits"] * p["Ways"], "turns": p["Ways"] * -(-p["Turns"] // rom_bits_per_lut(family)),
        "counter": turns, "wrap": turns * odd(p["Turns"]), "control": 1,
    }  # fmt: skip


def _each(p: Parameters, family: Family) -> Features:
    """The casts, a choice among them, and a ROM that says which is taken."""
    lines = bits_of(p["Lines"])
    return {
        "casts": p["Casts"], "choice": p["Chosen"], "bits": p["Bits"],
        "kinds": p["Kinds"] * -(-p["Lines"] // rom_bits_per_lut(family)), "counter": lines,
        "wrap": lines * odd(p["Lines"]), "control": 1,
    }  # fmt: skip


def _minifloat(p: Parameters, family: Family) -> Features:
    """A lane shifts as many bits as inputs and numbers have in common to the mantissa and back, and rounds them."""
    lanes, sign, nearest = p["Lanes"], p["InSigned"], int(p["Rounding"] < _TOWARD_ZERO)
    numbers = (1 << p["Exponent"]) + p["Mantissa"] - 1
    reached = min(numbers, max(p["InWidth"] - sign - p["Shift"], 1))
    found = {
        "range": reached, "shifters": reached * p["Exponent"], "rounding": nearest * (reached + p["Shift"]),
        "signs": sign * (p["InWidth"] + reached), "beyond": max(p["InWidth"] - sign - p["Shift"] - reached, 0),
    }  # fmt: skip
    return {**{part: lanes * size for part, size in found.items()}, "control": 1}


def row_luts(p: Parameters, family: Family) -> float:
    """LUTs of the row that a softmax keeps: no block RAM, since it is read without a register."""
    return ram_luts(p["Width"], p["Count"], family)


def _softmax(p: Parameters, family: Family) -> Features:
    """Sums of powers, a division and two shifters as wide as the mantissa, sums of exponents, the row's choice."""
    mantissa = p["Mantissa"] + 1
    kept = place_of_ram(p["Width"], p["Count"], family) is Place.LUTS
    return {
        "sums": mantissa, "shifters": mantissa * mantissa.bit_length(), "exponents": p["ExpWidth"],
        "row": p["Width"], "choice": 0 if kept else p["Width"] * (p["Count"] - 1),
        "steps": bits_of(max(p["Count"], p["Mantissa"]) + 2), "control": 1,
    }  # fmt: skip


def _softmax_known(p: Parameters, family: Family, resource: str) -> float:
    factors = {"Simd": 1, "XWidth": p["Mantissa"] + 1, "XSigned": 0, "WWidth": p["Mantissa"] + 2}
    row = row_luts(p, family) if resource == "lut" else 0.0
    return row + measured_dot(factors, family, resource)


MOVE_FORMS: Mapping[str, Form] = {
    "move": Form("move", _move, _move_known, floor=16.0, bound=20.0),
    "concat": Form("concat", _concat, floor=16.0, bound=20.0),
    "each": Form("each", _each, floor=16.0, bound=25.0),
    "flow_minifloat_stream": Form("flow_minifloat_stream", _minifloat, floor=16.0, bound=25.0),
    "flow_softmax": Form("flow_softmax", _softmax, _softmax_known, floor=16.0, bound=15.0),
}
