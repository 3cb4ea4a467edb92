"""Results that depend on few bits of a block's inputs as truth tables: products, sums, rectifier and cast in one.

A place of a table of six bits is one LUT, whatever stands between; one of eight takes four.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flow.exporters.verilog.spatial.places import luts, table_luts
from flow.exporters.verilog.spatial.words import Unit, Word

__all__ = ["MOST_BITS", "Neurons", "with_truth_tables"]

MOST_BITS = 8  # of inputs: beyond it a LUT's worth of every bit of a result doubles with each
_LOGIC = 1.25  # LUTs that Yosys makes for each one of a table, as in the calibration of spatial designs
Codes = NDArray[np.int64]
Function = Callable[[Codes], Codes]
Address = tuple[tuple[Word, int], ...]


@dataclass(frozen=True, slots=True)
class Neurons:
    """The results of a block that became truth tables.

    Attributes:
        tables: how many.
        before: LUTs of the block as estimated without them.
        after: with them.
    """

    tables: int
    before: int
    after: int

    def __str__(self) -> str:
        return f"{self.tables} results are truth tables: {self.after} LUTs as estimated, {self.before} without"


@dataclass(frozen=True, slots=True)
class _Table:
    """A result as entries by those bits of the inputs that it depends on, the lowest bit of the address first."""

    bits: Address
    entries: Codes

    @property
    def luts(self) -> float:
        return _LOGIC * table_luts(self.entries)


def with_truth_tables(
    unit: Unit, inputs: Sequence[Word], words: Sequence[Word], function: Function
) -> tuple[list[Word], Neurons | None]:
    """The same results, each in its smaller form, and what was chosen; None where no table is smaller.

    Operations serve several results, so that what one of them saves depends on the others: none, those that take less
    than their part of what they share, and all that could be are compared.

    Args:
        unit: what the words are of.
        inputs: every input of the unit, in the order of the function's.
        words: the results, in the order of the function's.
        function: int64[N, inputs] codes to int64[N, results], the arbiter's.
    """
    tables = _tables(unit, inputs, words, function)
    if not tables:
        return list(words), None
    shares = _shares(unit, words)
    less = {index for index, table in tables.items() if table.luts < shares[index]}
    sizes = [(_size(unit, words, chosen, tables), chosen) for chosen in (set[int](), less, set(tables))]
    (before, _), (after, chosen) = sizes[0], min(sizes, key=lambda entry: entry[0])
    if not chosen:
        return list(words), None
    made = {index: unit.entry(unit.bits(tables[index].bits), tables[index].entries.tolist(), 0) for index in chosen}
    return [made.get(word.index, word) for word in words], Neurons(len(made), round(before), round(after))


def _tables(unit: Unit, inputs: Sequence[Word], words: Sequence[Word], function: Function) -> dict[int, _Table]:
    """By word, the tables of all results that additions or other logic make of few bits."""
    places = {word.index: place for place, word in enumerate(words)}
    found: dict[int, _Table] = {}
    held: dict[tuple[int, ...], Codes] = {}
    for index, sources in _sources(unit, inputs, places).items():
        width = sum(inputs[i].form.width for i in sources)
        if not sources or width > MOST_BITS or not _takes_luts(unit, unit.words[index]):
            continue
        if sources not in held:
            held[sources] = function(_every(inputs, sources))
        found[index] = _table(inputs, sources, held[sources][:, places[index]])
    return found


def _takes_luts(unit: Unit, word: Word) -> bool:
    """Whether it is more than wires, and not a table already."""
    is_table = unit.ops[word.index].kind == "entry"
    return not is_table and any(luts(each, unit.ops[each.index]) for each in unit.reachable([word]))


def _sources(unit: Unit, inputs: Sequence[Word], results: Iterable[int]) -> dict[int, tuple[int, ...]]:
    """By result, the places of the inputs that it reads; those that are constants are none."""
    own = {word.index: 1 << place for place, word in enumerate(inputs) if not unit.is_constant(word)}
    masks: list[int] = []
    for index, op in enumerate(unit.ops):
        mask = own.get(index, 0)
        for source in op.reads:
            mask |= masks[source.index]
        masks.append(mask)
    return {i: tuple(p for p in range(len(inputs)) if masks[i] >> p & 1) for i in results}


def _every(inputs: Sequence[Word], sources: Sequence[int]) -> Codes:
    """int64[2**n, inputs]: every code of the sources, those outside of a range as its end; of the others the lowest."""
    width = sum(inputs[i].form.width for i in sources)
    codes = np.tile(np.array([word.low for word in inputs], dtype=np.int64), (1 << width, 1))
    rest = np.arange(1 << width)
    for place in sources:
        word = inputs[place]
        raw = rest & ((1 << word.form.width) - 1)
        rest = rest >> word.form.width
        signed = raw - ((raw >> (word.form.width - 1)) << word.form.width) if word.low < 0 else raw
        codes[:, place] = np.clip(signed, word.low, word.high)
    return codes


def _table(inputs: Sequence[Word], sources: Sequence[int], entries: Codes) -> _Table:
    """Without the bits that change nothing."""
    bits = [(inputs[i], bit) for i in sources for bit in range(inputs[i].form.width)]
    for place in range(len(bits) - 1, -1, -1):
        pairs = entries.reshape(-1, 2, 1 << place)
        if np.array_equal(pairs[:, 0], pairs[:, 1]):
            entries = pairs[:, 0].ravel()
            del bits[place]
    return _Table(tuple(bits), entries)


def _shares(unit: Unit, words: Sequence[Word]) -> dict[int, float]:
    """LUTs by result; those that read an operation bear the same part of it."""
    results = list(dict.fromkeys(word.index for word in words))
    readers, found = [0] * len(unit.ops), dict.fromkeys(results, 0.0)
    for place, index in enumerate(results):
        readers[index] |= 1 << place
    for word in reversed(unit.words):
        op, mask = unit.ops[word.index], readers[word.index]
        for source in op.reads if mask else ():
            readers[source.index] |= mask
        size = luts(word, op) if mask else 0
        for index in (each for place, each in enumerate(results) if size and mask >> place & 1):
            found[index] += size / mask.bit_count()
    return found


def _size(unit: Unit, words: Sequence[Word], chosen: set[int], tables: Mapping[int, _Table]) -> float:
    """LUTs of a block where some results are tables."""
    rest = unit.reachable([word for word in words if word.index not in chosen])
    return sum(luts(word, unit.ops[word.index]) for word in rest) + sum(tables[index].luts for index in chosen)
