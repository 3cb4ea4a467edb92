"""Number formats: what a code means, and how one format becomes another. Needs numpy only."""

from flow.formats.cast import cast, encode
from flow.formats.fixed_point import FixedPoint
from flow.formats.names import AP_OVERFLOW, AP_ROUNDING, QONNX_ROUNDING
from flow.formats.overflow import Overflow, overflow
from flow.formats.rounding import Rounding, round_shift

__all__ = [
    "AP_OVERFLOW",
    "AP_ROUNDING",
    "QONNX_ROUNDING",
    "FixedPoint",
    "Overflow",
    "Rounding",
    "cast",
    "encode",
    "overflow",
    "round_shift",
]
