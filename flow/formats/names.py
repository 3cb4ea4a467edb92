"""What every backend calls our rounding and overflow modes: the only table, so that no name is trusted alone.

QONNX has no mode that sends ties towards plus infinity: its HALF_UP is symmetric about zero, our RND_INF. Where a
backend lacks a mode the entry is missing and the exporter builds the mode from its formula or refuses.
"""

from __future__ import annotations

from flow.formats.overflow import Overflow
from flow.formats.rounding import Rounding

__all__ = ["AP_OVERFLOW", "AP_ROUNDING", "QONNX_ROUNDING"]

AP_ROUNDING = {mode: f"AP_{mode.value}" for mode in Rounding}
AP_OVERFLOW = {mode: f"AP_{mode.value}" for mode in Overflow}

QONNX_ROUNDING = {
    Rounding.TRN: "FLOOR",
    Rounding.TRN_ZERO: "DOWN",
    Rounding.RND_CONV: "ROUND",
    Rounding.RND_INF: "HALF_UP",
    Rounding.RND_ZERO: "HALF_DOWN",
}
