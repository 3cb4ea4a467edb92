"""Number types that carry codes, and what formulas in any of them share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.ir.value import Value

__all__ = ["INTEGERS", "Carrier", "Codes", "Formula", "Types", "lifted", "reused"]

Carrier = np.dtype[Any]
Codes = NDArray[Any]
# [N, *shape] of each input -> [N, *shape] of the result, all of one carrier; it holds until the formula's next call.
Formula = Callable[..., Codes]
Types = tuple[Value, ...]

INTEGERS = np.dtype(np.int64)


def lifted(codes: Codes, bits: int) -> Codes:
    """`codes << bits` in any carrier."""
    if not bits:
        return codes
    moved: Codes = codes << bits if codes.dtype == INTEGERS else np.ldexp(codes, bits)
    return moved


def reused(shape: tuple[int, ...], carrier: Carrier) -> Callable[[int], Codes]:
    """Gives arrays [n, *shape] in the same memory each time, at first zeros: fresh memory costs more than the sums."""
    held = np.zeros((0, *shape), carrier)

    def take(count: int) -> Codes:
        nonlocal held
        if len(held) < count:
            held = np.zeros((count, *shape), carrier)
        return held[:count]

    return take
