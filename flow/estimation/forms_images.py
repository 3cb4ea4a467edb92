"""The closed forms of the cells for images and joins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import and_, or_

from flow.estimation.forms import Form, measured_dot
from flow.estimation.forms_parts import bits_of, ram_choice, ram_luts, wraps
from flow.estimation.memory import Place, place_of_ram
from flow.formats import trailing_zeros
from flow.synthesis import Family

__all__ = ["IMAGE_FORMS", "Ring", "depthwise_features", "ring_of", "scale_shift_features", "window_registers"]

Parameters = Mapping[str, int]
Features = dict[str, float]


@dataclass(frozen=True, slots=True)
class Ring:
    """What flow_window consists of, from its localparams, in bits.

    Attributes:
        held: of the counts of beats and of the offsets into the ring.
        address: of an address.
        place_y: of the rows, place_x of the columns.
        taps: of all counters within a window.
        keeps_rows: whether rows above the image have a count of their own.
        padded: whether zeros stand around the image.
    """

    held: int
    address: int
    place_y: int
    place_x: int
    taps: int
    keeps_rows: bool
    padded: bool


def _last(size: int, kernel: int, step: int, pad: int) -> int:
    """The first row or column of the last window that is inside the image."""
    return max((size + 2 * pad - kernel) // step * step - pad, 0)


def _moves(p: Parameters) -> list[int]:
    """How far the first pixel of a window may move, in beats, as the text of flow_window says: to another image, to the
    next row, along a row, and where zeros stand around the image, from and to those.
    """
    pad_y, pad_x, step_y, step_x = p["PadH"], p["PadW"], p["StrideH"], p["StrideW"]
    beats, row = p["PixelBeats"], p["ImageWidth"] * p["PixelBeats"]
    back = -_last(p["ImageWidth"], p["KernelW"], step_x, pad_x) * beats
    found = [(p["Height"] - _last(p["Height"], p["KernelH"], step_y, pad_y)) * row + back]
    found += [step_y * row + back, step_x * beats]
    found += [(step_y - pad_y % step_y) * row + back] if pad_y else []
    found += [(step_x - pad_x % step_x) * beats] if pad_x else []
    return found + ([back] if pad_y >= step_y else []) + ([0] if pad_x >= step_x else [])


def ring_of(p: Parameters) -> Ring:
    """The widths of a flow_window, as its text computes them."""
    pad_y, pad_x, step_y, step_x = p["PadH"], p["PadW"], p["StrideH"], p["StrideW"]
    beats = p["PixelBeats"]
    return Ring(
        held=max(*_moves(p)[:3], p["Depth"]).bit_length() + 1,
        address=max(bits_of(p["Depth"]), 1),
        place_y=bits_of(p["Height"] + pad_y + step_y + 1) + 1,
        place_x=bits_of(p["ImageWidth"] + pad_x + step_x + 1) + 1,
        taps=sum(bits_of(n) for n in (p["KernelH"], p["KernelW"], p["Groups"], beats // p["Groups"])),
        keeps_rows=pad_y >= step_y,
        padded=pad_y + pad_x > 0,
    )


def _chosen_bits(constants: Iterable[int], width: int) -> int:
    """Bits in which constants differ, so that a choice among them takes logic."""
    seen = [constant & ((1 << width) - 1) for constant in constants]
    return (reduce(or_, seen) & ~reduce(and_, seen)).bit_count()


def _window(p: Parameters, family: Family) -> Features:
    """Places and what they are compared with, the choice of how far a window moves, sums of offsets from the lowest
    bit that their summands have, addresses that wrap where the ring's end does not, zeros outside.
    """
    ring, width, depth, moves = ring_of(p), p["Width"], p["Depth"], _moves(p)
    row = p["ImageWidth"] * p["PixelBeats"]
    low = trailing_zeros(row)
    return {
        "places": ring.place_y + ring.place_x,
        "counts": ring.held,
        "moves": _chosen_bits(moves, ring.held),
        "moves of the base": _chosen_bits([move % depth for move in moves], ring.address),
        "row offsets": ring.held - low,
        "groups": ring.held if p["Groups"] > 1 else 0,
        "wraps": ring.address if depth & (depth - 1) else 0,
        "padding": width if ring.padded else 0,
        "padded places": ring.place_y + ring.place_x if ring.padded else 0,
        "choice": ram_choice(width, depth, family),
        "control": 1,
    }


def window_registers(p: Parameters, family: Family) -> int:
    """Flip-flops of a window by its text; Yosys adds a few for what is read and written at once."""
    ring, width, depth = ring_of(p), p["Width"], p["Depth"]
    counts = (2 if ring.keeps_rows else 1) * ring.held
    offsets = ring.held * (1 + (p["KernelH"] > 1)) + (bits_of(p["PixelBeats"]) if p["Groups"] > 1 else 0)
    beats = width * (depth if place_of_ram(width, depth, family) is Place.REGISTERS else 1)
    return counts + offsets + 2 * (ring.place_y + ring.place_x) + ring.taps + ring.address + beats


def _window_known(p: Parameters, family: Family, resource: str) -> float:
    if resource == "ff":
        return float(window_registers(p, family))
    return ram_luts(p["Width"], p["Depth"], family, resource)


def _maximum(p: Parameters, family: Family) -> Features:
    return {"comparators": p["Lanes"] * p["OutWidth"], "taps": bits_of(p["Taps"]), "control": 1}


def _average(p: Parameters, family: Family) -> Features:
    """An adder a lane, and one more for every further 1 of the constant factor, as long as what is above its place."""
    scale = p["Scale"]
    places = [place for place in range(scale.bit_length()) if scale >> place & 1][1:]
    shifted = sum(p["OutWidth"] - place for place in places)
    lanes = p["Lanes"]
    return {"adders": lanes * p["OutWidth"], "scale": lanes * shifted, "taps": bits_of(p["Taps"]), "control": 1}


def _sum(p: Parameters, family: Family) -> Features:
    """An adder a lane, as long as both operands reach."""
    overlap = p["OutWidth"] - max(p["AShift"], p["BShift"]) if p["Operation"] == 0 else p["OutWidth"] - p["BShift"]
    return {"adders": p["Lanes"] * overlap, "control": 1}


def _product(p: Parameters, family: Family) -> Features:
    """Rows of half the narrower operand's bits, each as long as the other operand."""
    a, b = sorted((p["AWidth"], p["BWidth"]))
    return {"rows": p["Lanes"] * -(-a // 2) * (b + 2), "control": 1}


def _relu(p: Parameters, family: Family) -> Features:
    return {"gates": p["Lanes"] * p["OutWidth"]}


def scale_shift_features(p: Parameters, family: Family) -> Features:
    """An addition a lane behind the product, and the counter of beats."""
    return {"adders": p["Lanes"] * p["OutWidth"], "counter": bits_of(p["Beats"]), "control": 1}


def _fixed_scale(p: Parameters, family: Family) -> Features:
    """The rows that are left of products with constants that stand still, and the additions behind them."""
    return {"rows": p["Rows"], "recoded": p["Recoded"], "tables": p["Tables"], "adders": p["Adders"], "control": 1}


def _scale_shift_known(p: Parameters, family: Family, resource: str) -> float:
    return p["Lanes"] * measured_dot({"Simd": 1, "WWidth": p["SWidth"], **_operand(p)}, family, resource)


def _operand(p: Parameters) -> Parameters:
    return {"XWidth": p["XWidth"], "XSigned": p["XSigned"]}


def depthwise_features(p: Parameters, family: Family) -> Features:
    """An accumulator a lane, and the counters of lines, groups and taps."""
    counters = bits_of(p["Groups"] * p["Taps"]) + bits_of(p["Groups"]) + bits_of(p["Taps"])
    wrapped = wraps(p["Groups"] * p["Taps"], p["Groups"], p["Taps"])
    return {"accumulators": p["Lanes"] * p["AccWidth"], "counters": counters, "wraps": wrapped, "control": 1}


def _depthwise_known(p: Parameters, family: Family, resource: str) -> float:
    return p["Lanes"] * measured_dot({"Simd": 1, "WWidth": p["WWidth"], **_operand(p)}, family, resource)


IMAGE_FORMS: Mapping[str, Form] = {
    "flow_window": Form("flow_window", _window, _window_known, fits=("lut", "carry", "ff")),
    "flow_pool, maximum": Form("flow_pool", _maximum, covers=lambda p, f: not p["Average"], bound=20.0),
    "flow_pool, average": Form("flow_pool", _average, covers=lambda p, f: bool(p["Average"]), bound=25.0),
    "flow_join, sum": Form("flow_join", _sum, covers=lambda p, f: p["Operation"] < 2, bound=15.0),
    "flow_join, product": Form("flow_join", _product, covers=lambda p, f: p["Operation"] == 2, bound=20.0),
    "flow_relu": Form("flow_relu", _relu),
    "flow_scale_shift": Form("flow_scale_shift", scale_shift_features, _scale_shift_known),
    "fixed_scale": Form("fixed_scale", _fixed_scale, floor=32.0, bound=15.0),
    "flow_depthwise": Form("flow_depthwise", depthwise_features, _depthwise_known, bound=15.0),
}
