"""Sums of truth tables as words: terms of few bits share one table, what is constant is added once."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flow.exporters.verilog.spatial.words import Unit, Word
from flow.ir import LutDense, Value

__all__ = ["JOINED_BITS", "lut_dense"]

JOINED_BITS = 6  # inputs of a LUT: up to here a table takes one for each bit of its entries, however many terms it has

Bits = tuple[tuple[Word, int], ...]


@dataclass(frozen=True, slots=True)
class _Term:
    """A function of some bits of the inputs.

    Attributes:
        bits: words and places in them, the lowest bit of the address first.
        entries: int64[2**len(bits)].
    """

    bits: Bits
    entries: NDArray[np.int64]


def lut_dense(unit: Unit, node: LutDense, types: tuple[Value, ...], x: Sequence[Word]) -> list[Word]:
    """One row of inputs after the other."""
    outputs, inputs, _ = node.tables.shape
    rows = [x[first : first + inputs] for first in range(0, len(x), inputs)]
    return [_sum(unit, node, row, o) for row in rows for o in range(outputs)]


def _sum(unit: Unit, node: LutDense, row: Sequence[Word], output: int) -> Word:
    shifts, tables = node.shifts.codes.tolist(), node.tables.codes[output]
    terms = [_term(word, shift, table) for word, shift, table in zip(row, shifts, tables, strict=True)]
    offset, words = 0, list[tuple[Word, int]]()
    for term in _joined(terms):
        least = int(term.entries.min())
        offset += least
        above = term.entries - least
        if above.any():
            zeros = int(np.bitwise_or.reduce(above))
            zeros = (zeros & -zeros).bit_length() - 1
            words.append((unit.entry(unit.bits(term.bits), (above >> zeros).tolist(), 0), zeros))
    return unit.plus(_tree(unit, words), offset)


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
    """Terms of together at most `JOINED_BITS` bits as one: the longest first, each where it still fits."""
    found: list[_Term] = []
    for term in sorted(terms, key=lambda term: -len(term.bits)):
        for place, other in enumerate(found):
            if len(other.bits) + len(term.bits) <= JOINED_BITS:
                entries = (term.entries[:, None] + other.entries[None, :]).ravel()
                found[place] = _Term((*other.bits, *term.bits), entries)
                break
        else:
            found.append(term)
    return found


def _tree(unit: Unit, words: Sequence[tuple[Word, int]]) -> Word:
    """The sum of shifted words without signs, always of the two that end lowest."""
    heap = [(word.high << shift, place, word, shift) for place, (word, shift) in enumerate(words)]
    heapq.heapify(heap)
    count = len(heap)
    while len(heap) > 1:
        (_, _, a, shift_a), (_, _, b, shift_b) = heapq.heappop(heap), heapq.heappop(heap)
        least = min(shift_a, shift_b)
        made = unit.sum(a, b, shift_a - least, shift_b - least)
        count += 1
        heapq.heappush(heap, (made.high << least, count, made, least))
    return unit.lift(heap[0][2], heap[0][3]) if heap else unit.constant(0)
