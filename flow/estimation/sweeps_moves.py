"""The sweeps of softmax and of casts to minifloats within a stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from flow.synthesis import Family

__all__ = ["MOVE_SWEEPS"]

Parameters = dict[str, int]
Sweep = Callable[[Family], Iterator[Parameters]]


def _softmax(family: Family) -> Iterator[Parameters]:
    """Rows of 2 to 40 codes, mantissas of 4 to 12 bits."""
    for count, width, frac, mantissa, exponent in (
        (4, 8, 4, 8, 6), (8, 8, 4, 8, 6), (16, 6, 3, 8, 5), (10, 8, 5, 10, 5), (8, 12, 6, 12, 8), (32, 8, 4, 6, 6),
        (20, 10, 5, 8, 7), (2, 6, 2, 5, 6), (40, 7, 3, 9, 6), (5, 9, 6, 11, 5), (12, 5, 2, 4, 5), (3, 14, 8, 10, 8),
    ):  # fmt: skip
        yield {"Count": count, "Width": width, "Signed": 1, "Frac": frac, "Mantissa": mantissa, "ExpWidth": exponent,
               "UseDsp": 0}  # fmt: skip


def _minifloat(family: Family) -> Iterator[Parameters]:
    """Sums of 7 to 20 bits to formats of 4 to 8, to the nearest even and towards zero."""
    for lanes, width, signed, shift, exponent, mantissa, rounding in (
        (1, 12, 1, 3, 2, 1, 0), (1, 16, 1, 4, 3, 2, 0), (2, 10, 1, 2, 2, 2, 0), (1, 20, 1, 6, 4, 3, 0),
        (1, 14, 0, 3, 3, 3, 0), (1, 9, 1, 1, 2, 3, 2), (3, 12, 0, 2, 2, 1, 0), (1, 18, 1, 2, 3, 1, 2),
        (2, 14, 1, 5, 3, 2, 0), (1, 12, 0, 0, 3, 3, 2), (1, 7, 1, 0, 2, 2, 0), (1, 17, 1, 3, 4, 2, 0),
    ):  # fmt: skip
        yield {"Lanes": lanes, "InWidth": width, "InSigned": signed, "Shift": shift, "Exponent": exponent,
               "Mantissa": mantissa, "Signed": signed, "Rounding": rounding,
               "OutWidth": (1 << exponent) + mantissa - 1 + signed}  # fmt: skip


MOVE_SWEEPS: Mapping[str, Sweep] = {"flow_softmax": _softmax, "flow_minifloat_stream": _minifloat}
