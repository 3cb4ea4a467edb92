"""The cells for images and joins: registers counted from their text, logic by the width of what they add or compare.

Their logic is not calibrated against synthesis yet; a LUT a bit of every adder, comparator and counter is assumed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flow.estimation.cost import Usage
from flow.estimation.forms import form_for_dot, luts, registers_hold
from flow.estimation.memory import block_rams, distributed, goes_to_block_ram
from flow.synthesis import Family

__all__ = ["SPATIAL", "scale_shift", "table"]

Parameters = Mapping[str, int]
Found = tuple[dict[str, float], Usage]  # LUTs by part; the other resources


def _bits(count: int) -> int:
    return (count - 1).bit_length()


def _window(p: Parameters, family: Family) -> Found:
    """A ring, its addresses and offsets, and the counters of windows and taps."""
    width, depth = p["Width"], p["Depth"]
    address, held = _bits(depth), max(depth, p["Height"] * p["ImageWidth"] * p["PixelBeats"]).bit_length() + 1
    places = 2 * (_bits(p["Height"] + 2 * p["PadH"]) + _bits(p["ImageWidth"] + 2 * p["PadW"]) + 2)
    taps = _bits(p["KernelH"]) + _bits(p["KernelW"]) + _bits(p["Groups"]) + _bits(p["PixelBeats"] // p["Groups"])
    offsets = (5 if p["PadH"] >= p["StrideH"] else 4) * held
    counters = 2 * address + offsets + places + taps
    if registers_hold(width, depth, family):
        memory, held_bits, blocks = width * depth / 2, width * depth, 0.0
    elif goes_to_block_ram(width, depth):
        memory, held_bits, blocks = 0.0, 0, block_rams(width, depth)
    else:
        memory, held_bits, blocks = float(distributed(width, depth, family)), 0, 0.0
    control = counters + 2 * address + held + width * int(p["PadH"] + p["PadW"] > 0)
    return {"window": memory + control}, Usage(ff=counters + width + 2 + held_bits, bram=blocks)


def _pool(p: Parameters, family: Family) -> Found:
    """An adder or a comparator a lane, the constant factor as shifts and adds, the counter of taps."""
    bits, taps = p["Lanes"] * p["OutWidth"], _bits(p["Taps"])
    terms = 1 + bin(p["Scale"]).count("1") - 1 if p["Average"] else 2
    part = "adders" if p["Average"] else "comparators"
    kept = bits if p["Taps"] > 1 else 0
    return {part: float(bits * terms), "control": float(taps + 2)}, Usage(ff=bits + kept + taps + 1)


def _join(p: Parameters, family: Family) -> Found:
    """An adder a lane, or a product of two codes."""
    bits = p["Lanes"] * p["OutWidth"]
    if p["Operation"] < 2:
        return {"adders": float(bits), "control": 2.0}, Usage(ff=bits + 1)
    shape = {"Simd": 1, "XWidth": p["AWidth"], "XSigned": p["ASigned"], "WWidth": p["BWidth"]}
    product = sum(luts(form_for_dot(shape), shape, family).values())
    return {"products": p["Lanes"] * product, "control": 2.0}, Usage(ff=bits + 1)


def scale_shift(p: Parameters, rom_luts: float, family: Family) -> Found:
    """A product and an addition a lane, with constants of `rom_luts` LUTs."""
    shape = {"Simd": 1, "XWidth": p["XWidth"], "XSigned": p["XSigned"], "WWidth": p["SWidth"]}
    product, bits = sum(luts(form_for_dot(shape), shape, family).values()), p["Lanes"] * p["OutWidth"]
    parts = {
        "products": p["Lanes"] * product,
        "adders": float(bits),
        "roms": rom_luts,
        "control": 1.0 + _bits(p["Beats"]),
    }
    return parts, Usage(ff=bits + 1 + _bits(p["Beats"]))


def table(lanes: int, width: int, rom_luts: float) -> Found:
    """A ROM of `rom_luts` LUTs a lane, and the register of a beat."""
    return {"roms": lanes * rom_luts, "control": 1.0}, Usage(ff=lanes * width + 1)


SPATIAL: Mapping[str, Callable[[Parameters, Family], Found]] = {
    "flow_window": _window,
    "flow_pool": _pool,
    "flow_join": _join,
}
