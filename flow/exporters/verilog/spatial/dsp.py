"""What one DSP makes of an input: its products with several constants, side by side in one long one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Shared", "constant_of", "fits", "has_room", "places_of", "signed_bits", "without"]

Matrix = NDArray[np.int64]
# Ports of a DSP48E1, signed; of a DSP48E2 the wider one has two bits more. A factor without a sign has one bit less.
_CONSTANT_BITS, _INPUT_BITS, _SUM_BITS = 25, 18, 48
_LEAST_BITS = 9  # of both factors of the narrowest product that synth_xilinx maps to a DSP


@dataclass(frozen=True, slots=True)
class Shared:
    """Products that one DSP makes: of the input of a row, in some columns, the lowest place of the constant first."""

    row: int
    columns: tuple[int, ...]


def fits(width: int, factors: Sequence[int], tops: Sequence[int]) -> bool:
    """Whether a DSP makes such products and their sums.

    Args:
        width: bits of the input, which has no sign.
        factors: of it, the lowest in the constant first.
        tops: bits of each sum, which has no sign.

    >>> fits(8, [13, -21], [14, 14]), fits(8, [13, -21], [22, 14]), fits(8, [8], [14])
    (True, False, False)
    """
    constant = abs(constant_of(factors, places_of(tops)))
    wide = min(width, constant.bit_count()) > 1 and width + constant.bit_length() >= _LEAST_BITS
    return wide and has_room(width, factors, tops)


def has_room(width: int, factors: Sequence[int], tops: Sequence[int]) -> bool:
    """The same, but that synthesis might leave them in logic as they are short, or a shift."""
    constant = signed_bits(constant_of(factors, places_of(tops)))
    return width < _INPUT_BITS and constant <= _CONSTANT_BITS and sum(tops) < _SUM_BITS


def places_of(tops: Sequence[int]) -> list[int]:
    """Where each of some words starts that lie side by side."""
    return [sum(tops[:place]) for place in range(len(tops))]


def constant_of(factors: Sequence[int], places: Sequence[int]) -> int:
    """The sum of factors, each at its place."""
    return sum(factor << place for factor, place in zip(factors, places, strict=True))


def signed_bits(value: int) -> int:
    """Bits of a number with its sign.

    >>> signed_bits(127), signed_bits(-128)
    (8, 8)
    """
    return max(value, ~value).bit_length() + 1


def without(matrix: Matrix, shared: Sequence[Shared]) -> Matrix:
    """The matrix of all other products."""
    rest = matrix.copy()
    for each in shared:
        rest[each.row, list(each.columns)] = 0
    return rest
