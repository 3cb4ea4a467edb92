"""What every backend calls our rounding and overflow modes: the only table, so that no name is trusted alone.

QONNX has no mode that sends ties towards plus infinity: its HALF_UP is symmetric about zero, our RND_INF. Where a
backend lacks a mode the entry is missing and the exporter builds the mode from its formula or refuses.
"""

from __future__ import annotations

from flow.formats.minifloat import Minifloat
from flow.formats.overflow import Overflow
from flow.formats.rounding import Rounding

__all__ = ["AP_OVERFLOW", "AP_ROUNDING", "ML_DTYPES", "QONNX_ROUNDING"]

AP_ROUNDING = {mode: f"AP_{mode.value}" for mode in Rounding}
AP_OVERFLOW = {mode: f"AP_{mode.value}" for mode in Overflow}

QONNX_ROUNDING = {
    Rounding.TRN: "FLOOR",
    Rounding.TRN_ZERO: "DOWN",
    Rounding.RND_CONV: "ROUND",
    Rounding.RND_INF: "HALF_UP",
    Rounding.RND_ZERO: "HALF_DOWN",
}

# The formats of ml_dtypes (and so of JAX), which names FP4 and FP6 `fn` although they have no NaN.
ML_DTYPES = {
    "float4_e2m1fn": Minifloat.parse("e2m1"),
    "float6_e2m3fn": Minifloat.parse("e2m3"),
    "float6_e3m2fn": Minifloat.parse("e3m2"),
    "float8_e3m4": Minifloat.parse("e3m4ieee"),
    "float8_e4m3": Minifloat.parse("e4m3ieee"),
    "float8_e4m3b11fnuz": Minifloat.parse("e4m3b11fnuz"),
    "float8_e4m3fn": Minifloat.parse("e4m3fn"),
    "float8_e4m3fnuz": Minifloat.parse("e4m3fnuz"),
    "float8_e5m2": Minifloat.parse("e5m2ieee"),
    "float8_e5m2fnuz": Minifloat.parse("e5m2fnuz"),
    "bfloat16": Minifloat.parse("e8m7ieee"),
}
