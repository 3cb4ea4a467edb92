"""Products with constant matrices in words: each row as shared shifts and additions or as tables, whichever is smaller.

A multiplier in logic is never the smallest of the three: it adds a row for every two bits of one factor, and the signed
digits of a constant are no more than that. One in a DSP takes none of the logic; `multipliers` chooses what it makes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from flow.exporters.verilog.spatial.adder_graph import AdderGraph, Ref, Sum, solve
from flow.exporters.verilog.spatial.dsp import Shared, fits, places_of, without
from flow.exporters.verilog.spatial.tables import LookUp, Row, look_ups
from flow.exporters.verilog.spatial.words import Choice, Unit, Word

__all__ = ["forms", "product"]

Matrix = NDArray[np.int64]
Ranges = list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class _Signless:
    """A number as `offset + word`, or `offset - word`, of a word without a sign."""

    word: Word
    offset: int
    minus: bool


def product(
    unit: Unit, x: Sequence[Word], matrix: Matrix, levels: int = -1, shared: Sequence[Shared] = ()
) -> list[Word]:
    """`x @ matrix`, every column in its smaller form; `unit.choices` says in which.

    Args:
        unit: what the words are of.
        x: a word for each row of the matrix.
        matrix: int64[I, O].
        levels: as of `solve`.
        shared: what DSPs make of it, no column twice.
    """
    ends = [(word.low, word.high) for word in x]
    values = [_signless(unit, word) for word in x]
    widths = [0 if unit.is_constant(value.word) else value.word.form.width for value in values]
    rest = without(matrix, shared)
    graph, rows, choice = forms(rest, ends, widths, levels)
    added = iter(_additions(unit, values, graph, ends))
    sums = [
        next(added) if row is None else _looked_up(unit, values, row, column)
        for row, column in zip(rows, rest.T.tolist(), strict=True)
    ]
    made = [_multiplied(unit, values, sums, matrix, ends, each) for each in shared]
    if None in made:  # a sum is longer than it was expected to be
        return product(unit, x, matrix, levels, [each for each, words in zip(shared, made, strict=True) if words])
    for each, words in zip(shared, made, strict=True):
        for column, word in zip(each.columns, words or (), strict=True):
            sums[column] = word
    unit.choices.append(replace(choice, multiplied=len(shared)))
    return [_finished(unit, each) for each in sums]


def _multiplied(
    unit: Unit, values: Sequence[_Signless], sums: Sequence[_Signless], matrix: Matrix, ends: Ranges, shared: Shared
) -> list[_Signless] | None:
    """The columns of one DSP, from what the other products come to; None where it has no room for them."""
    x, rests = values[shared.row], [sums[column] for column in shared.columns]
    factors = [int(matrix[shared.row, column]) for column in shared.columns]
    own = [-factor if rest.minus else factor for rest, factor in zip(rests, factors, strict=True)]
    lifts = [_lift(rest.word, factor * x.word.high) for rest, factor in zip(rests, own, strict=True)]
    offsets = [
        rest.offset + factor * x.offset + (lift if rest.minus else -lift)
        for rest, factor, lift in zip(rests, factors, lifts, strict=True)
    ]
    spans = [
        _span(_ends_of(matrix[:, column].tolist(), ends), offset, rest.minus)
        for column, offset, rest in zip(shared.columns, offsets, rests, strict=True)
    ]
    tops = [high.bit_length() for _, high in spans]
    if not fits(x.word.form.width, own, tops):
        return None
    whole = unit.multiplied(x.word, [rest.word for rest in rests], own, places_of(tops), lifts, spans)
    words = [unit.part(whole, place, *span) for place, span in zip(places_of(tops), spans, strict=True)]
    return [_Signless(word, offset, rest.minus) for word, offset, rest in zip(words, offsets, rests, strict=True)]


def _lift(word: Word, least: int) -> int:
    """What keeps a sum without a sign where the least of a product is below zero: a bit above the word, a wire."""
    return 1 << max(word.form.width, (-least - 1).bit_length()) if least < 0 else 0


def _ends_of(factors: Sequence[int], ends: Ranges) -> tuple[int, int]:
    """Of a whole column."""
    pairs = [sorted((factor * low, factor * high)) for factor, (low, high) in zip(factors, ends, strict=True)]
    return sum(low for low, _ in pairs), sum(high for _, high in pairs)


def _span(ends: tuple[int, int], offset: int, minus: bool) -> tuple[int, int]:
    """The ends of the word of a number."""
    return (offset - ends[1], offset - ends[0]) if minus else (ends[0] - offset, ends[1] - offset)


def forms(
    matrix: Matrix, ends: Ranges, widths: Sequence[int], levels: int = -1
) -> tuple[AdderGraph, list[Row | None], Choice]:
    """The graph of the columns that are additions, and the tables of the others.

    Columns share additions, so that what one of them takes depends on the others: all as additions, all as tables, and
    tables for those that take less than their part of the shared additions are compared.

    Args:
        matrix: int64[I, O].
        ends: of each input.
        widths: bits of each input without its sign; 0 of a constant.
        levels: as of `solve`.
    """
    graph, columns = solve(matrix, ends, levels), matrix.T.tolist()
    tables = [look_ups(column, widths) for column in columns]
    additions, whole = graph.cost(ends), sum(row.luts for row in tables)
    less = [row.luts < share for row, share in zip(tables, graph.shares(ends), strict=True)]
    found: list[tuple[int, list[bool], AdderGraph]] = [(additions, [False] * len(columns), graph)]
    for mixed in (less, [True] * len(columns)):
        if any(mixed):
            rest = solve(matrix[:, [not looked_up for looked_up in mixed]], ends, levels)
            found.append(
                (rest.cost(ends) + sum(row.luts for row, here in zip(tables, mixed, strict=True) if here), mixed, rest)
            )
    luts, mixed, rest = min(found, key=lambda entry: entry[0])
    rows = [row if here else None for row, here in zip(tables, mixed, strict=True)]
    if not all(row is None or row.is_row(column, widths) for row, column in zip(rows, columns, strict=True)):
        luts, rest, rows = additions, graph, [None] * len(columns)
    looked_up = len(rows) - rows.count(None)
    return rest, rows, Choice(len(rows) - looked_up, looked_up, additions, whole, luts)


def _signless(unit: Unit, word: Word) -> _Signless:
    if word.low >= 0:
        return _Signless(word, 0, minus=False)
    raised = unit.raised(word)
    return _Signless(raised, word.low - raised.low, minus=False)


def _looked_up(unit: Unit, values: Sequence[_Signless], row: Row, column: Sequence[int]) -> _Signless:
    """The chains of tables, and what they lack."""
    chains = []
    for first, *others in row.chains:
        word = unit.lift(unit.entry(_address(unit, values, first), first.entries, 0), first.shift)
        for table in others:
            word = unit.looked_up(word, _address(unit, values, table), table.entries, table.shift)
        chains.append(word)
    fixed = [value.offset + (value.word.low if unit.is_constant(value.word) else 0) for value in values]
    offset = row.offset + sum(f * each for f, each in zip(column, fixed, strict=True))
    while len(chains) > 1:
        chains = [*chains[2:], unit.sum(chains[0], chains[1])]
    return _Signless(chains[0] if chains else unit.constant(0), offset, minus=False)


def _address(unit: Unit, values: Sequence[_Signless], table: LookUp) -> Word:
    return unit.bits([(values[index].word, bit) for index, bit in table.taps])


def _additions(unit: Unit, values: Sequence[_Signless], graph: AdderGraph, ends: Ranges) -> list[_Signless]:
    """The words of a graph.

    No sum on the way has a sign: a difference adds the inverted bits, and what that makes too much is subtracted once
    at the end. A sum of words without signs takes a LUT only where both have a bit, as its highest bit is a carry.
    """
    made = list(values)
    for s, within in zip(graph.sums, graph.ranges(ends)[graph.inputs :], strict=True):
        made.append(_joined(unit, made[s.a], made[s.b], s, within))
    return [_scaled(unit, made, ref) for ref in graph.outputs]


def _joined(unit: Unit, a: _Signless, b: _Signless, s: Sum, within: tuple[int, int]) -> _Signless:
    """The sum of both, of which one is inverted where they point in opposite directions."""
    minus_b = b.minus != s.minus
    offset = (a.offset << s.shift_a) + (-1 if s.minus else 1) * (b.offset << s.shift_b)
    words, minus = [a.word, b.word], a.minus
    if a.minus != minus_b:
        place = _cheaper(unit, words, (s.shift_a, s.shift_b))
        ones = ((1 << words[place].form.width) - 1) << (s.shift_b if place else s.shift_a)
        words[place] = unit.inverted(words[place])
        minus = minus_b if not place else a.minus
        offset += ones if minus else -ones
    low, high = (offset - within[1], offset - within[0]) if minus else (within[0] - offset, within[1] - offset)
    return _Signless(unit.sum(*words, s.shift_a, s.shift_b, within=(low, high)), offset, minus)


def _cheaper(unit: Unit, words: Sequence[Word], shifts: tuple[int, int]) -> int:
    """Which of two words to invert.

    The one whose highest place is lower feeds the carries, where its inversion takes an inverter. Then the sum shall
    be short, and what is copied below a shift not be inverted.
    """
    tops = [(word.form.width + shift, shift, i) for i, (word, shift) in enumerate(zip(words, shifts, strict=True))]

    def price(place: int) -> tuple[bool, int, int]:
        held = [unit.inverted(word) if i == place else word for i, word in enumerate(words)]
        highest = sum(word.high << shift for word, shift in zip(held, shifts, strict=True))
        return min(tops)[2] == place, highest.bit_length(), -shifts[place]

    return min((1, 0), key=price)


def _scaled(unit: Unit, values: Sequence[_Signless], ref: Ref | None) -> _Signless:
    if ref is None:
        return _Signless(unit.constant(0), 0, minus=False)
    value = values[ref.index]
    offset = (-1 if ref.minus else 1) * (value.offset << ref.shift)
    return _Signless(unit.lift(value.word, ref.shift), offset, value.minus != ref.minus)


def _finished(unit: Unit, value: _Signless) -> Word:
    return unit.less(value.offset, value.word) if value.minus else unit.plus(value.word, value.offset)
