"""The instances of a convolution as synthesis sees them once it has flattened the design.

Zeros of the padding are constants, which leave out what would add them, and what two positions make alike of the same
codes is there once: input registers first of all, which every window that covers a code asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from flow.exporters.verilog.spatial.blocks import Block
from flow.exporters.verilog.spatial.words import Op, Unit, Word
from flow.formats import FixedPoint

__all__ = ["Position", "positions_of"]

Position = Mapping[int, Word]  # the word of the whole that stands for a word of the block's unit, by its index


def positions_of(block: Block) -> tuple[Unit, Sequence[Position]]:
    """One unit for all positions of a block, and which of its words each has; the block's own where it stands alone."""
    if block.taps is None:
        return block.unit, [{word.index: word for word in block.unit.words}]
    whole, words = Unit(), block.unit.reachable(block.words)
    inputs = [word for word in words if block.unit.ops[word.index].kind == "input"]
    taps = {word.index: block.unit.ops[word.index].numbers[0] // block.lane for word in inputs}
    return whole, [_position(block.unit, words, whole, taps, places) for places in block.taps]


def _position(
    unit: Unit, words: Sequence[Word], whole: Unit, taps: Mapping[int, int], places: Sequence[int]
) -> Position:
    """Every word again, made of the codes at `places`."""
    made: dict[int, Word] = {}
    picks: dict[int, _Pick] = {}
    for word in words:
        op = unit.ops[word.index]
        reads = [made[x.index] for x in op.reads]
        if op.kind == "input":
            place = places[taps[word.index]]
            made[word.index] = whole.input(place, word.low, word.high) if place >= 0 else whole.constant(0)
        elif op.kind == "bits":
            picks[word.index] = _Pick(whole, reads, op.numbers)
            made[word.index] = picks[word.index].word
        elif op.kind in _TABLES:
            made[word.index] = _TABLES[op.kind](whole, word, op, reads, picks)
        else:
            made[word.index] = _AGAIN[op.kind](whole, word, op, reads)
    return made


class _Pick:
    """Bits of some words side by side, those that are constant left out."""

    def __init__(self, unit: Unit, reads: Sequence[Word], places: Sequence[int]) -> None:
        self.known = [_bit(unit, word, place) for word, place in zip(reads, places, strict=True)]
        free = [
            (word, min(place, word.form.width - 1))
            for word, place, bit in zip(reads, places, self.known, strict=True)
            if bit is None
        ]
        self.word = unit.bits(free)

    def left(self, entries: Sequence[int]) -> list[int]:
        """The entries that can still be reached, in the order of the bits that are left."""
        found = list(entries)
        for place in reversed(range(len(self.known))):
            bit = self.known[place]
            if bit is not None:
                found = [entry for address, entry in enumerate(found) if address >> place & 1 == bit]
        return found


def _bit(unit: Unit, word: Word, place: int) -> int | None:
    """A bit of a word, where it is known."""
    if unit.is_constant(word):
        return word.low >> place & 1
    return 0 if word.low >= 0 and place >= word.form.width else None


def _looked_up(unit: Unit, word: Word, op: Op, reads: Sequence[Word], picks: Mapping[int, _Pick]) -> Word:
    pick = picks[op.reads[1].index]
    entries, shift = pick.left(op.numbers[1:]), op.numbers[0]
    if min(entries) == max(entries):
        return unit.plus(reads[0], entries[0] << shift)
    x = reads[0]
    if x.form.width <= shift or unit.is_constant(x):
        return unit.looked_up(x, pick.word, entries, shift)
    ends = _reached(word, (x.form.width, shift + max(entries).bit_length()))
    return unit.again(Op(op.kind, (), (shift, *entries)), (x, pick.word), *ends)


def _entry(unit: Unit, word: Word, op: Op, reads: Sequence[Word], picks: Mapping[int, _Pick]) -> Word:
    (source,), (read,) = reads, op.reads
    pick = picks.get(read.index)
    return unit.entry(source, op.numbers, read.low) if pick is None else unit.entry(source, pick.left(op.numbers), 0)


_TABLES: Mapping[str, Callable[[Unit, Word, Op, Sequence[Word], Mapping[int, _Pick]], Word]] = {
    "looked_up": _looked_up,
    "entry": _entry,
}


def _inverted(unit: Unit, word: Word, op: Op, reads: Sequence[Word]) -> Word:
    """Ones stay above a word that has become shorter."""
    (x,), ones = reads, (1 << op.reads[0].form.width) - 1
    if unit.is_constant(x):
        return unit.constant(ones - x.low)
    return unit.plus(unit.inverted(x), ones - (1 << x.form.width) + 1)


def _raised(unit: Unit, word: Word, op: Op, reads: Sequence[Word]) -> Word:
    (x,), width = reads, op.reads[0].form.width
    if x.form.width == width and x.low < 0:
        return unit.raised(x)
    return unit.plus(x, 1 << (width - 1))


def _sum(unit: Unit, word: Word, op: Op, reads: Sequence[Word]) -> Word:
    if any(map(unit.is_constant, reads)):
        return unit.sum(*reads, *op.numbers, minus=op.kind == "minus")
    tops = [x.form.width + shift for x, shift in zip(reads, op.numbers, strict=True)]
    return unit.again(op, reads, *_reached(word, tops))


def _reached(word: Word, tops: Sequence[int]) -> tuple[int, int]:
    """The ends of a sum as synthesis knows them: from the lengths of its summands, but not what they come to."""
    return (word.low, word.high) if word.low < 0 else (0, min(word.high, (2 << max(tops)) - 1))


def _cell(unit: Unit, word: Word, op: Op, reads: Sequence[Word]) -> Word:
    return unit.again(op, reads, word.low, word.high)


_AGAIN: Mapping[str, Callable[[Unit, Word, Op, Sequence[Word]], Word]] = {
    "constant": lambda unit, word, op, reads: unit.constant(word.low),
    "lift": lambda unit, word, op, reads: unit.lift(reads[0], op.numbers[0]),
    "plus": lambda unit, word, op, reads: unit.plus(reads[0], op.numbers[0]),
    "less": lambda unit, word, op, reads: unit.less(op.numbers[0], reads[0]),
    "sum": _sum,
    "minus": _sum,
    "raised": _raised,
    "inverted": _inverted,
    "relu": lambda unit, word, op, reads: unit.relu(reads[0]),
    "floor": lambda unit, word, op, reads: unit.floor(reads[0], op.numbers[0]),
    "saturated": lambda unit, word, op, reads: unit.saturated(reads[0], FixedPoint.holding(*op.numbers, 0)),
    "wrapped": lambda unit, word, op, reads: unit.wrapped(reads[0], FixedPoint(op.numbers[0], 0, bool(op.numbers[1]))),
    "cell": _cell,
    "minifloat": _cell,
    "times": lambda unit, word, op, reads: unit.times(*reads),
    "larger": lambda unit, word, op, reads: unit.larger(*reads),
    "above": lambda unit, word, op, reads: unit.above(*reads),
    "chosen": lambda unit, word, op, reads: unit.chosen(*reads),
    "shifted": lambda unit, word, op, reads: unit.shifted(*reads),
}
