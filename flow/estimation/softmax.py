"""The cell of a softmax: registers counted from its text, its product and its ROM by their closed forms, the rest by
width. Not calibrated against synthesis: a LUT a bit of every adder and choice is assumed, half of one of a shifter's
stage, since a LUT6 chooses among four.
"""

from __future__ import annotations

from collections.abc import Mapping

from flow.estimation.calibrate import luts
from flow.estimation.cost import Usage
from flow.estimation.forms import bits_of, ram_luts, uses_dsps
from flow.estimation.images import Found, product
from flow.estimation.memory import Place, place_of_ram
from flow.synthesis import Family

__all__ = ["softmax"]

Parameters = Mapping[str, int]


def _row(width: int, count: int, family: Family) -> tuple[float, int]:
    """LUTs and flip-flops of the row that is kept: no block RAM, since it is read without a register."""
    if place_of_ram(width, count, family) is Place.LUTS:
        return ram_luts(width, count, family), 0
    return width * count / 2, width * count


def softmax(p: Parameters, family: Family) -> Found:
    """Parameters of flow_softmax: the row, the ROM of powers, sums, the division, the product and two shifters."""
    mantissa, exponent = p["Mantissa"] + 1, p["ExpWidth"]
    table = {"Bits": max(p["Frac"], 1), "Width": p["Mantissa"]}
    factors = {"XWidth": mantissa, "XSigned": 0, "WWidth": mantissa + 1, "UseDsp": p["UseDsp"]}
    dsp = uses_dsps(factors)
    products, chains = (0.0, 0.0) if dsp else product(factors, family)
    row, kept = _row(p["Width"], p["Count"], family)
    steps = bits_of(max(p["Count"], p["Mantissa"]) + 2)
    shifter = mantissa * mantissa.bit_length() / 2
    parts = {
        "products": products,
        "roms": sum(luts("table", table, family).values()) if p["Frac"] > 0 else 0.0,
        "row": row + p["Width"],
        "sums": 4.0 * mantissa + 4.0 * exponent + shifter,
        "division": 2.0 * mantissa,
        "shares": shifter + exponent,
        "control": 6.0 + 2 * steps,
    }
    ff = 6 * mantissa + 3 * exponent + 10 + steps
    return parts, Usage(ff=ff + kept, dsp=int(dsp), carry=round(chains))
