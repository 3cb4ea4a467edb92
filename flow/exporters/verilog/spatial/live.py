"""Which bits of the words of a unit anything reads: below lies what a cast drops, above what it wraps."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flow.exporters.verilog.spatial.words import Op, Unit, Word
from flow.formats import trailing_zeros

__all__ = ["Bits", "copied_summand", "live_bits", "moved_by", "widest"]

Bits = tuple[int, int]  # the first place, and the one behind the last


def widest(a: Bits, b: Bits) -> Bits:
    """All places from the first of both to the last."""
    return min(a[0], b[0]), max(a[1], b[1])


def live_bits(unit: Unit, outputs: Mapping[int, Bits]) -> dict[int, Bits]:
    """The bits that are read of every word that the outputs depend on, by its index, from those of the outputs."""
    found = dict(outputs)
    for word in reversed(unit.reachable([unit.words[index] for index in outputs])):
        op = unit.ops[word.index]
        for number, read in enumerate(op.reads):
            low, high = _reads(op, number, *found[word.index])
            bits = max(low, 0), min(max(high, 0), read.form.width)
            found[read.index] = widest(found.get(read.index, bits), bits)
    return found


def _reads(op: Op, number: int, low: int, high: int) -> tuple[int, int]:
    """The places of a word that an operation reads so that its result is right from `low` to below `high`."""
    if op.kind == "bits":
        place = op.numbers[number]
        return place, place + 1
    moved = moved_by(op)
    if moved is not None:
        return low + moved, high + moved
    if op.kind in ("relu", "saturated"):
        return low, _ALL
    if op.kind == "inverted":
        return low, high
    # A chain of carries starts at the higher summand's lowest place, or at the lowest 1 of a constant.
    if op.kind == "plus":
        return min(low, trailing_zeros(op.numbers[0])), high
    if op.kind == "looked_up":
        return (min(low, op.numbers[0]), high) if number == 0 else (0, _ALL)
    if op.kind in ("sum", "minus"):
        return (min(low, max(op.numbers)) if copied_summand(op) is op.reads[number] else 0), high - op.numbers[number]
    return (0, high) if op.kind == "less" else (0, _ALL)


_ALL = 1 << 30


def moved_by(op: Op) -> int | None:
    """How far up a bit was in what only moves bits; None where an operation does more."""
    return _MOVED[op.kind](op) if op.kind in _MOVED else None


_MOVED: Mapping[str, Callable[[Op], int]] = {
    "floor": lambda op: op.numbers[0],
    "lift": lambda op: -op.numbers[0],
    "part": lambda op: op.numbers[0],
    "wrapped": lambda op: 0,
}


def copied_summand(op: Op) -> Word | None:
    """The summand whose lowest places are those of the sum; None where there is none, or where it is subtracted."""
    shift_a, shift_b = op.numbers
    if not shift_a:
        return op.reads[0]
    return op.reads[1] if op.kind == "sum" and not shift_b else None
