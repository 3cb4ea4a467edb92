"""The cell of a softmax: logic by its closed form, registers counted from its text; its product, its row and its ROM as
they are anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping

from flow.estimation.calibrate import carries, luts
from flow.estimation.cost import Usage
from flow.estimation.forms_dsp import dsps_of, uses_dsps
from flow.estimation.forms_moves import row_luts
from flow.estimation.forms_parts import bits_of
from flow.estimation.images import Found, product
from flow.estimation.memory import Place, place_of_ram
from flow.synthesis import Family

__all__ = ["softmax"]

Parameters = Mapping[str, int]


def softmax(p: Parameters, family: Family) -> Found:
    """Parameters of flow_softmax: the row, the ROM of powers, sums, the division, the product and two shifters."""
    mantissa = p["Mantissa"] + 1
    table = {"Bits": max(p["Frac"], 1), "Width": p["Mantissa"]}
    factors = {"XWidth": mantissa, "XSigned": 0, "WWidth": mantissa + 1, "UseDsp": p["UseDsp"]}
    dsp = uses_dsps(factors)
    products, chains = (0.0, 0.0) if dsp else product(factors, family)
    parts = {
        "products": products,
        "roms": sum(luts("table", table, family).values()) if p["Frac"] > 0 else 0.0,
        "row": row_luts(p, family),
        "softmax": sum(luts("flow_softmax", p, family).values()),
    }
    carry = round(chains + carries("flow_softmax", p, family))
    return parts, Usage(ff=registers(p, family), dsp=dsps_of(factors, 1, family), carry=carry)


def registers(p: Parameters, family: Family) -> int:
    """Power, total, share, rest, quotient and result; three exponents; phase, marks, the counter of steps; the row,
    where it is in registers, and its address, where it is not.
    """
    in_luts = place_of_ram(p["Width"], p["Count"], family) is Place.LUTS
    kept = bits_of(p["Count"]) if in_luts else p["Width"] * p["Count"]
    return 6 * (p["Mantissa"] + 1) + 3 * p["ExpWidth"] + 6 + bits_of(max(p["Count"], p["Mantissa"]) + 2) + kept
