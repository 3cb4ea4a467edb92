"""The cells for images and joins: logic by their closed forms, registers and memories counted from their text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from flow.estimation.calibrate import carries, luts
from flow.estimation.cost import Usage
from flow.estimation.fixed_scales import scale_features, scale_registers
from flow.estimation.forms import form_for_dot
from flow.estimation.forms_dsp import dsps_of, uses_dsps
from flow.estimation.forms_images import window_registers
from flow.estimation.forms_parts import bits_of, ram_blocks, ram_luts
from flow.synthesis import Family

__all__ = ["IMAGES", "Found", "fixed_scale", "product", "scale_shift", "table"]

Parameters = Mapping[str, int]
Found = tuple[dict[str, float], Usage]  # LUTs by part; the other resources


def product(p: Parameters, family: Family) -> tuple[float, float]:
    """LUTs and carry cells of one product of `XWidth` by `WWidth` bits."""
    shape = {"Simd": 1, **p}
    form = form_for_dot(shape)
    return sum(luts(form, shape, family).values()), carries(form, shape, family)


def _window(p: Parameters, family: Family) -> Found:
    """A ring, its addresses and offsets, and the counters of windows and taps."""
    width, depth = p["Width"], p["Depth"]
    parts = {"window": sum(luts("flow_window", p, family).values()) + ram_luts(width, depth, family)}
    ff = window_registers(p, family) + round(sum(luts("flow_window", p, family, "ff").values()))
    bram = ram_blocks(width, depth, family)
    return parts, Usage(ff=ff, bram=bram, carry=carries("flow_window", p, family))


def _pool(p: Parameters, family: Family) -> Found:
    """An adder or a comparator a lane, the constant factor as shifts and adds, the counter of taps."""
    bits, taps = p["Lanes"] * p["OutWidth"], bits_of(p["Taps"])
    form = "flow_pool, average" if p["Average"] else "flow_pool, maximum"
    kept = bits if p["Taps"] > 1 else 0
    return dict(luts(form, p, family)), Usage(ff=bits + kept + taps + 1, carry=carries(form, p, family))


def _join(p: Parameters, family: Family) -> Found:
    """An adder a lane, or a product of two codes."""
    form = "flow_join, sum" if p["Operation"] < 2 else "flow_join, product"
    ff = p["Lanes"] * p["OutWidth"] + 1
    return dict(luts(form, p, family)), Usage(ff=ff, carry=carries(form, p, family))


def fixed_scale(p: Parameters, scales: Sequence[int], shifts: Sequence[int], family: Family) -> Found:
    """Products with constants that stand still, and additions of such."""
    fixed = scale_features(p, scales)
    usage = Usage(ff=scale_registers(p, scales, shifts), carry=carries("fixed_scale", fixed, family))
    return dict(luts("fixed_scale", fixed, family)), usage


def scale_shift(p: Parameters, rom_luts: float, family: Family) -> Found:
    """A product and an addition a lane, with constants of `rom_luts` LUTs."""
    factor = {"XWidth": p["XWidth"], "XSigned": p["XSigned"], "WWidth": p["SWidth"]}
    shape = {**factor, "UseDsp": p["UseDsp"]}
    operators, dsps = uses_dsps(shape), dsps_of(shape, p["Lanes"], family)
    around = "flow_scale_shift, dsp" if operators else "flow_scale_shift"
    one, chains = (0.0, 0.0) if operators else product(factor, family)
    parts = {"products": p["Lanes"] * one, "roms": rom_luts, **luts(around, p, family)}
    held = 0 if dsps and family is Family.XC7 else p["Lanes"] * p["OutWidth"]  # in the DSP48E1's own register
    ff = held + 1 + bits_of(p["Beats"])
    carry = p["Lanes"] * chains + carries(around, p, family)
    return parts, Usage(ff=ff, dsp=dsps, carry=carry)


def table(lanes: int, width: int, rom_luts: float) -> Found:
    """A ROM of `rom_luts` LUTs a lane, and the register of a beat."""
    return {"roms": lanes * rom_luts, "control": 1.0}, Usage(ff=lanes * width + 1)


IMAGES: Mapping[str, Callable[[Parameters, Family], Found]] = {
    "flow_window": _window,
    "flow_pool": _pool,
    "flow_join": _join,
}
