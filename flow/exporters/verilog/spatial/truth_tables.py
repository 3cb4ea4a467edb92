"""Sums of truth tables as words: terms of few bits share a table inside an addition, what is constant is added once."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flow.exporters.verilog.spatial.tables import INPUTS, LONGEST
from flow.exporters.verilog.spatial.words import Unit, Word
from flow.formats import trailing_zeros
from flow.ir import LutDense, Value

__all__ = ["lut_dense"]

Bits = tuple[tuple[Word, int], ...]


@dataclass(frozen=True, slots=True)
class _Term:
    """A function of some bits of the inputs.

    Attributes:
        bits: words and places in them, the lowest bit of the address first.
        entries: int64[2**len(bits)].
        shift: how far an entry moves left.
    """

    bits: Bits
    entries: NDArray[np.int64]
    shift: int = 0


def lut_dense(unit: Unit, node: LutDense, types: tuple[Value, ...], x: Sequence[Word]) -> list[Word]:
    """One row of inputs after the other."""
    outputs, inputs, _ = node.tables.shape
    rows = [x[first : first + inputs] for first in range(0, len(x), inputs)]
    return [_sum(unit, node, row, o) for row in rows for o in range(outputs)]


def _sum(unit: Unit, node: LutDense, row: Sequence[Word], output: int) -> Word:
    shifts, tables = node.shifts.codes.tolist(), node.tables.codes[output]
    terms = [_term(word, shift, table) for word, shift, table in zip(row, shifts, tables, strict=True)]
    joined = _joined(terms)
    offset = sum(int(term.entries.min()) for term in joined)
    varying = sorted(filter(None, map(_raised, joined)), key=lambda term: term.shift)
    short = [term for term in varying if len(term.bits) <= INPUTS]
    count = -(-len(short) // LONGEST)
    words = [_chain(unit, short[i::count]) for i in range(count)]
    words += [_entry(unit, term) for term in varying if len(term.bits) > INPUTS]
    # The offset comes last: sums that start with it are as long as the result from the first addition on.
    return unit.plus(_tree(unit, words), offset)


def _raised(term: _Term) -> _Term | None:
    """The same without an offset, so that no entry is negative, and without the zeros that all of them end with."""
    above = term.entries - term.entries.min()
    zeros = int(np.bitwise_or.reduce(above))
    if not zeros:
        return None
    shift = trailing_zeros(zeros)
    return _Term(term.bits, above >> shift, shift)


def _entry(unit: Unit, term: _Term) -> Word:
    return unit.lift(unit.entry(unit.bits(term.bits), term.entries.tolist(), 0), term.shift)


def _chain(unit: Unit, terms: Sequence[_Term]) -> Word:
    """One table, and additions with the others inside their LUTs, as in `tables`."""
    word = _entry(unit, terms[0])
    for term in terms[1:]:
        word = unit.looked_up(word, unit.bits(term.bits), term.entries.tolist(), term.shift)
    return word


def _term(word: Word, shift: int, table: NDArray[np.int64]) -> _Term:
    """A table over those bits of a word's address on which it depends, for the codes that the word has."""
    width = len(table).bit_length() - 1
    span = min(word.high - word.low + 1, len(table) << shift)
    reached = np.unique(((word.low + np.arange(span)) >> shift) & (len(table) - 1))
    kept = list(range(width))
    for bit in range(width):  # the lowest first: words lose their low bits when they get shorter
        fewer = [other for other in kept if other != bit]
        if _serve(reached, table, fewer):
            kept = fewer
    entries = np.zeros(1 << len(kept), dtype=np.int64)
    entries[:] = table[reached[0]]  # what no code reaches is free
    entries[_picked(reached, kept)] = table[reached]
    top = word.form.width - 1
    return _Term(tuple((word, min(shift + bit, top)) for bit in kept), entries)


def _picked(addresses: NDArray[np.int64], bits: Sequence[int]) -> NDArray[np.int64]:
    """Addresses made of some bits of others."""
    found = np.zeros_like(addresses)
    for place, bit in enumerate(bits):
        found |= ((addresses >> bit) & 1) << place
    return found


def _serve(reached: NDArray[np.int64], table: NDArray[np.int64], bits: Sequence[int]) -> bool:
    """Whether some bits of the addresses tell all different entries apart."""
    fewer = _picked(reached, bits)
    order = np.argsort(fewer, kind="stable")
    same = fewer[order][1:] == fewer[order][:-1]
    return not (same & (table[reached][order][1:] != table[reached][order][:-1])).any()


def _joined(terms: Sequence[_Term]) -> list[_Term]:
    """Terms of together at most `INPUTS` bits as one: the longest first, each where it still fits."""
    found: list[_Term] = []
    for term in sorted(terms, key=lambda term: -len(term.bits)):
        for place, other in enumerate(found):
            if len(other.bits) + len(term.bits) <= INPUTS:
                entries = (term.entries[:, None] + other.entries[None, :]).ravel()
                found[place] = _Term((*other.bits, *term.bits), entries)
                break
        else:
            found.append(term)
    return found


def _tree(unit: Unit, words: Sequence[Word]) -> Word:
    """The sum of words without signs, always of the two that end lowest."""
    heap = [(word.high, place, word) for place, word in enumerate(words)]
    heapq.heapify(heap)
    for place in range(len(heap), 2 * len(heap) - 1):
        (_, _, a), (_, _, b) = heapq.heappop(heap), heapq.heappop(heap)
        made = unit.sum(a, b)
        heapq.heappush(heap, (made.high, place, made))
    return heap[0][2] if heap else unit.constant(0)
