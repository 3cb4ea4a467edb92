"""How large an operation is: the places of its carry chain, and what it takes in LUTs of six inputs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from flow.exporters.verilog.spatial.words import Op, Word
from flow.formats import FixedPoint, trailing_zeros

__all__ = ["ADDERS", "COMPARISONS", "carries", "luts", "shared", "table_luts"]

ADDERS = ("sum", "minus", "plus", "less")
COMPARISONS = ("larger", "above")
_INPUTS = 6  # of a LUT


def carries(word: Word, op: Op) -> int:
    """The length of the chain: places below a summand that starts higher are copied, unless they are negated."""
    width = word.form.width
    if op.kind in ("sum", "minus"):
        shift_a, shift_b = op.numbers
        return max(width - (shift_b if op.kind == "minus" else max(shift_a, shift_b)), 0)
    if op.kind == "looked_up":
        return width - op.numbers[0]
    if op.kind == "plus":
        return max(width - trailing_zeros(op.numbers[0]), 0)
    if op.kind in ("less", "multiplied"):
        return width
    if op.kind in COMPARISONS:
        return max(x.form.width + (x.low >= 0) for x in op.reads)
    return 0


def shared(word: Word, op: Op) -> int:
    """The places of both words at which neither is known to be 0; of a table inside an addition its bits."""
    if op.kind in ("plus", "less"):
        return 0
    if op.kind == "looked_up":
        return max(op.numbers[1:]).bit_length()
    if op.kind != "sum" or any(x.low < 0 for x in op.reads):
        return carries(word, op)
    tops = [x.form.width + shift for x, shift in zip(op.reads, op.numbers, strict=True)]
    return max(min(tops) - max(op.numbers), 0)


def table_luts(entries: NDArray[np.int64] | Sequence[int]) -> int:
    """LUTs of a table: a place of an entry takes one up to six bits of the address, twice as many for each bit more.

    Bits on which a place does not depend are not counted, and a place that depends on one is a wire.
    """
    held = np.asarray(entries, dtype=np.int64)
    address, found = (len(held) - 1).bit_length(), 0
    held = np.concatenate([held, np.full((1 << address) - len(held), held[-1])])
    changed = [np.bitwise_or.reduce(np.bitwise_xor(*_halves(held, bit)).ravel()) for bit in range(address)]
    for place in range(FixedPoint.holding(int(held.min()), int(held.max()), 0).width):
        needed = sum(int(each) >> place & 1 for each in changed)
        found += (1 << max(needed - _INPUTS, 0)) if needed > 1 else 0  # of one bit: a wire or an inverter
    return found


def _halves(entries: NDArray[np.int64], bit: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The entries with a bit of the address 0, and those beside them with it 1."""
    pairs = entries.reshape(-1, 2, 1 << bit)
    return pairs[:, 0], pairs[:, 1]


def luts(word: Word, op: Op) -> int:
    """What an operation takes, casts and constants that are added counted as part of what is around them."""
    widths = [x.form.width for x in op.reads]
    if op.kind in ("sum", "minus", "multiplied"):
        return shared(word, op)
    if op.kind == "looked_up":
        return shared(word, op) + 1
    if op.kind == "entry":
        return table_luts(op.numbers)
    size = _logic(word, op, widths)
    return min(size, word.form.width) if sum(widths) <= _INPUTS else size


def _logic(word: Word, op: Op, widths: Sequence[int]) -> int:
    """What is no chain of carries where it reads few bits."""
    if op.kind in COMPARISONS:
        return carries(word, op) + (word.form.width if op.kind == "larger" else 0)
    if op.kind == "chosen":
        return word.form.width
    if op.kind == "shifted":
        return widths[0] * widths[1]
    if op.kind == "times":
        return -(-min(widths) // 2) * (max(widths) + 2)
    if op.kind in ("cell", "minifloat"):
        return (word.form.width + sum(widths)) // 2
    return 0
