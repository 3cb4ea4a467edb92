"""A combinational unit as words with exact ranges: made by a few operations, each the cheapest form of itself.

Operations look through what they are given: a sum of constants is one constant, an addition before a rounding joins
its offset, a rectifier before a saturation is its lower end, and what a range makes idle is not made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from functools import lru_cache

from flow.exporters.verilog.spatial.dsp import Shared
from flow.formats import FixedPoint

__all__ = ["Choice", "Op", "Unit", "Word"]

_DSP_LEVELS = 4  # that a product and a sum in a DSP without registers count as: a stage of its own by default


@dataclass(frozen=True, slots=True)
class Word:
    """An integer signal.

    Attributes:
        index: of the operation that makes it.
        low: lowest value.
        high: highest value.
        level: operations with a carry chain or a comparison between it and the unit's inputs.
    """

    index: int
    low: int
    high: int
    level: int

    @property
    def form(self) -> FixedPoint:
        """The narrowest word that holds it."""
        return _holding(self.low, self.high)


@lru_cache(maxsize=1 << 14)
def _holding(low: int, high: int) -> FixedPoint:
    """Few ranges, asked for thousands of times in a design."""
    return FixedPoint.holding(low, high, 0)


@dataclass(frozen=True, slots=True)
class Op:
    """What makes a word: a kind that `emit` knows, the words it reads, and its numbers."""

    kind: str
    reads: tuple[Word, ...] = ()
    numbers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Choice:
    """The forms that a product with a constant matrix has taken, and LUTs as estimated for each alternative.

    Attributes:
        added: results that are shifts and additions.
        looked_up: results that are tables.
        additions: LUTs of all results as shifts and additions.
        tables: LUTs of all results as tables.
        luts: LUTs of what was chosen.
        multiplied: DSPs, whose products are in none of the above.
    """

    added: int
    looked_up: int
    additions: int
    tables: int
    luts: int
    multiplied: int = 0

    def __add__(self, other: Choice) -> Choice:
        """Both, as one."""
        pairs = zip(astuple(self), astuple(other), strict=True)
        return Choice(*(a + b for a, b in pairs))

    def __str__(self) -> str:
        return (
            f"{self.looked_up} of {self.looked_up + self.added} sums of products are tables inside additions, the rest "
            f"shifts and additions: {self.luts} LUTs as estimated, {self.additions} without tables, "
            f"{self.tables} with tables only" + (f", beside {self.multiplied} DSPs" if self.multiplied else "")
        )


@dataclass(slots=True)
class Unit:
    """The operations of a unit in the order of computation, equal ones made once, and the choices behind them."""

    ops: list[Op] = field(default_factory=list)
    words: list[Word] = field(default_factory=list)
    choices: list[Choice] = field(default_factory=list)
    known: dict[tuple[Op, int, int], Word] = field(default_factory=dict)
    shared: Mapping[str, Sequence[Shared]] = field(default_factory=dict)  # what DSPs make, by the node of the matrix

    def _make(self, op: Op, low: int, high: int, levels: int) -> Word:
        if low == high and op.kind != "constant":
            return self.constant(low)
        found = self.known.get((op, low, high))
        if found is not None:
            return found
        word = Word(len(self.ops), low, high, max((w.level for w in op.reads), default=0) + levels)
        self.ops.append(op)
        self.words.append(word)
        self.known[op, low, high] = word
        return word

    def _op(self, word: Word) -> Op:
        return self.ops[word.index]

    def is_constant(self, word: Word) -> bool:
        """Whether it is a number."""
        return self._op(word).kind == "constant"

    def constant(self, value: int) -> Word:
        """A number."""
        return self._make(Op("constant", (), (value,)), value, value, 0)

    def input(self, bit: int, low: int, high: int) -> Word:
        """The code that starts at a bit of the unit's input bus."""
        return self._make(Op("input", (), (bit,)), low, high, 0)

    def lift(self, x: Word, shift: int) -> Word:
        """`x << shift`; a constant that is added comes behind it."""
        op = self._op(x)
        if op.kind == "plus":
            return self.plus(self.lift(op.reads[0], shift), op.numbers[0] << shift)
        if op.kind == "less":
            return self.less(op.numbers[0] << shift, self.lift(op.reads[0], shift))
        return self._make(Op("lift", (x,), (shift,)), x.low << shift, x.high << shift, 0) if shift else x

    def plus(self, x: Word, value: int) -> Word:
        """`x + value`."""
        op = self._op(x)
        if op.kind == "plus":
            return self.plus(op.reads[0], op.numbers[0] + value)
        if op.kind == "less":
            return self.less(op.numbers[0] + value, op.reads[0])
        return self._make(Op("plus", (x,), (value,)), x.low + value, x.high + value, 1) if value else x

    def less(self, value: int, x: Word) -> Word:
        """`value - x`."""
        return self._make(Op("less", (x,), (value,)), value - x.high, value - x.low, 1)

    def sum(
        self,
        a: Word,
        b: Word,
        shift_a: int = 0,
        shift_b: int = 0,
        minus: bool = False,
        within: tuple[int, int] | None = None,
    ) -> Word:
        """`(a << shift_a) + (b << shift_b)`, or the difference of the two, which is known to lie `within`."""
        if self.is_constant(b):
            return self.plus(self.lift(a, shift_a), (-b.low if minus else b.low) << shift_b)
        if self.is_constant(a):
            other = self.lift(b, shift_b)
            return self.less(a.low << shift_a, other) if minus else self.plus(other, a.low << shift_a)
        low, high = (-b.high, -b.low) if minus else (b.low, b.high)
        ends = (a.low << shift_a) + (low << shift_b), (a.high << shift_a) + (high << shift_b)
        if within is not None:
            ends = max(ends[0], within[0]), min(ends[1], within[1])
        return self._make(Op("minus" if minus else "sum", (a, b), (shift_a, shift_b)), *ends, 1)

    def looked_up(self, x: Word, address: Word, entries: Sequence[int], shift: int) -> Word:
        """`x + (entries[address] << shift)`, none of which is negative: one addition, the table inside its LUTs."""
        if x.form.width <= shift or self.is_constant(x):
            return self.sum(x, self.entry(address, entries, 0), 0, shift)
        low, high = min(entries) << shift, max(entries) << shift
        return self._make(Op("looked_up", (x, address), (shift, *entries)), x.low + low, x.high + high, 1)

    def multiplied(
        self,
        x: Word,
        words: Sequence[Word],
        factors: Sequence[int],
        places: Sequence[int],
        lifts: Sequence[int],
        ends: Sequence[tuple[int, int]],
    ) -> Word:
        """`sum((factors[i] * x + words[i] + lifts[i]) << places[i])` of words without signs, in one DSP.

        Args:
            x: the common factor.
            words: what is added.
            factors: a constant for each word.
            places: of each, from 0 upwards.
            lifts: 0, or a power of two above the word.
            ends: of each sum, none below 0.
        """
        pairs = list(zip(ends, places, strict=True))
        low, high = (sum(end[side] << place for end, place in pairs) for side in (0, 1))
        return self._make(Op("multiplied", (x, *words), (*factors, *places, *lifts)), low, high, _DSP_LEVELS)

    def part(self, x: Word, place: int, low: int, high: int) -> Word:
        """The bits from a place on of words side by side, as many as a word within these ends has."""
        return self._make(Op("part", (x,), (place,)), low, high, 0)

    def raised(self, x: Word) -> Word:
        """`x + 2**(width - 1)` of a signed word, which is the word with its sign inverted: no addition."""
        half = 1 << (x.form.width - 1)
        return self._make(Op("raised", (x,)), x.low + half, x.high + half, 0)

    def inverted(self, x: Word) -> Word:
        """`2**width - 1 - x` of an unsigned word, which is the word with every bit inverted: no addition."""
        op, ones = self._op(x), (1 << x.form.width) - 1
        if op.kind == "inverted" and op.reads[0].form.width == x.form.width:
            return op.reads[0]
        return self._make(Op("inverted", (x,)), ones - x.high, ones - x.low, 0)

    def relu(self, x: Word) -> Word:
        """`max(x, 0)`."""
        return self._make(Op("relu", (x,)), max(x.low, 0), max(x.high, 0), 0) if x.low < 0 else x

    def floor(self, x: Word, drop: int) -> Word:
        """`x >> drop`, towards minus infinity."""
        return self._make(Op("floor", (x,), (drop,)), x.low >> drop, x.high >> drop, 0) if drop else x

    def half_up(self, x: Word, drop: int) -> Word:
        """`floor(x * 2**-drop + 1/2)`; a rectifier before it comes behind it instead."""
        if drop <= 0:
            return self.lift(x, -drop)
        if self._op(x).kind == "relu":
            return self.relu(self.half_up(self._op(x).reads[0], drop))
        return self.floor(self.plus(x, 1 << (drop - 1)), drop)

    def down(self, x: Word, drop: int) -> Word:
        """`floor(x * 2**-drop)`; a rectifier before it comes behind it instead."""
        if drop <= 0:
            return self.lift(x, -drop)
        if self._op(x).kind == "relu":
            return self.relu(self.down(self._op(x).reads[0], drop))
        return self.floor(x, drop)

    def saturated(self, x: Word, form: FixedPoint) -> Word:
        """The nearest code of a word; a rectifier before it is its lower end."""
        op = self._op(x)
        floor0 = op.kind == "relu"
        base, low = (op.reads[0], 0) if floor0 else (x, form.low)
        if base.low >= low and base.high <= form.high:
            return base
        if base.low >= low and base.low >= 0:
            low = 0
        ends = min(max(base.low, low), form.high), max(min(base.high, form.high), low)
        return self._make(Op("saturated", (base,), (low, form.high)), *ends, 0)

    def wrapped(self, x: Word, form: FixedPoint) -> Word:
        """The low bits of `x` as a word."""
        if form.holds(x.low, x.high):
            return x
        return self._make(Op("wrapped", (x,), (form.width, int(form.signed))), form.low, form.high, 0)

    def cell(self, x: Word, drop: int, form: FixedPoint, modes: tuple[int, int], ends: tuple[int, int]) -> Word:
        """`flow_requantize`, for the modes of rounding and overflow that have no shorter form here."""
        return self._make(Op("cell", (x,), (drop, form.width, int(form.signed), *modes)), *ends, 1)

    def minifloat(
        self, x: Word, drop: int, fields: tuple[int, int, int], rounding: int, highest: int, low: int, high: int
    ) -> Word:
        """`flow_minifloat_encode` and `flow_minifloat_decode`: the number next to `x * 2**-drop`, in steps.

        Args:
            x: any word.
            drop: its fraction bits beyond those of a step.
            fields: exponent bits, mantissa bits, whether there is a sign.
            rounding: the cell's number of the mode.
            highest: code of the largest number.
            low: what the lowest word becomes.
            high: what the highest word becomes.
        """
        return self._make(Op("minifloat", (x,), (drop, *fields, rounding, highest)), low, high, 3)

    def times(self, a: Word, b: Word) -> Word:
        """`flow_mul_array`: `a * b`."""
        ends = [m * n for m in (a.low, a.high) for n in (b.low, b.high)]
        rows = (min(a.form.width, b.form.width) + 1) // 2
        return self._make(Op("times", (a, b)), min(ends), max(ends), rows)

    def larger(self, a: Word, b: Word) -> Word:
        """`max(a, b)`."""
        if a.low >= b.high:
            return a
        if b.low >= a.high:
            return b
        return self._make(Op("larger", (a, b)), max(a.low, b.low), max(a.high, b.high), 1)

    def above(self, a: Word, b: Word) -> Word:
        """1 where `a > b`, else 0."""
        if a.low > b.high:
            return self.constant(1)
        if a.high <= b.low:
            return self.constant(0)
        return self._make(Op("above", (a, b)), 0, 1, 1)

    def chosen(self, bit: Word, a: Word, b: Word) -> Word:
        """`a` where the bit is set, else `b`."""
        if self.is_constant(bit):
            return a if bit.low else b
        return self._make(Op("chosen", (bit, a, b)), min(a.low, b.low), max(a.high, b.high), 0)

    def again(self, op: Op, reads: Sequence[Word], low: int, high: int) -> Word:
        """An operation of another unit on other words, with the ends that it is told."""
        return self._make(replace(op, reads=tuple(reads)), low, high, 1)

    def shifted(self, x: Word, bits: Word) -> Word:
        """`x >> bits` of words without signs."""
        if self.is_constant(bits):
            return self.floor(x, bits.low)
        return self._make(Op("shifted", (x, bits)), x.low >> bits.high, x.high >> bits.low, 1)

    def entry(self, x: Word, entries: Sequence[int], first: int) -> Word:
        """`entries[x - first]`."""
        reached = tuple(int(e) for e in entries[x.low - first : x.high - first + 1])
        return self._make(Op("entry", (x,), reached), min(reached), max(reached), 1)

    def bits(self, picked: Sequence[tuple[Word, int]]) -> Word:
        """A word without a sign made of single bits of others, the lowest first; none of them is the number 0."""
        reads, places = tuple(word for word, _ in picked), tuple(place for _, place in picked)
        return self._make(Op("bits", reads, places), 0, (1 << len(picked)) - 1, 0) if picked else self.constant(0)

    def reachable(self, outputs: Sequence[Word]) -> list[Word]:
        """The words that the outputs depend on, in the order of computation."""
        needed = {word.index for word in outputs}
        for index in range(len(self.ops) - 1, -1, -1):
            if index in needed:
                needed.update(word.index for word in self.ops[index].reads)
        return [self.words[index] for index in sorted(needed)]
