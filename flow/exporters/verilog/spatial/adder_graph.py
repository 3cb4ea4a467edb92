"""A constant matrix as shared shifts and additions: solved by alkaid, checked here coefficient by coefficient.

alkaid (LGPL-3, used unmodified) solves constant matrix-vector multiplications by common subexpressions; it is the
successor of da4ml (arXiv 2507.04535). Where it fails the check, or loses to it, plain canonical signed digits serve.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from alkaid.cmvm import CombLogic, cmvm_solve
from numpy.typing import NDArray

__all__ = ["AdderGraph", "Range", "Ref", "Sum", "csd", "solve"]

Matrix = NDArray[np.int64]
Range = tuple[int, int]
_EXACT = 1 << 24  # alkaid takes float32; larger constants stay as plain signed digits
_METHODS = ("wmc", "mc")  # which common subexpression alkaid takes first: the widest overlap, or the most frequent one


@dataclass(frozen=True, slots=True)
class Ref:
    """`sign * (value << shift)` of an earlier value; `index` counts the inputs first, then the sums."""

    index: int
    shift: int = 0
    minus: bool = False

    def scaled(self, shift: int, minus: bool) -> Ref:
        """The same, shifted further and perhaps negated."""
        return Ref(self.index, self.shift + shift, self.minus != minus)


@dataclass(frozen=True, slots=True)
class Sum:
    """`a << shift_a` plus or minus `b << shift_b`, one of the shifts being 0."""

    a: int
    b: int
    shift_a: int
    shift_b: int
    minus: bool


@dataclass(frozen=True, slots=True)
class AdderGraph:
    """The products of a vector with every column of a matrix.

    Attributes:
        inputs: how many.
        sums: in an order in which each reads only earlier ones.
        outputs: one for each column, None where it is zero.
    """

    inputs: int
    sums: tuple[Sum, ...]
    outputs: tuple[Ref | None, ...]

    @property
    def is_whole(self) -> bool:
        """Whether nothing is shifted right."""
        return all(ref is None or ref.shift >= 0 for ref in self.outputs)

    def matrix(self) -> list[list[int]]:
        """What it multiplies by, as columns of Python integers: the formula of the whole graph."""
        rows = self._rows()
        return [_scaled(rows, ref, self.inputs) for ref in self.outputs]

    def _rows(self) -> list[list[int]]:
        """The factors of the inputs in every input and sum."""
        rows = [[int(i == j) for j in range(self.inputs)] for i in range(self.inputs)]
        for s in self.sums:
            sign = -1 if s.minus else 1
            pairs = zip(rows[s.a], rows[s.b], strict=True)
            rows.append([(a << s.shift_a) + sign * (b << s.shift_b) for a, b in pairs])
        return rows

    def ranges(self, inputs: Sequence[Range]) -> list[Range]:
        """The exact ends of every input and sum: an input that is in both summands counts once.

        >>> seven = AdderGraph(1, (Sum(0, 0, 3, 0, minus=True),), (Ref(1),))
        >>> seven.ranges([(-8, 7)])
        [(-8, 7), (-56, 49)]
        """
        rows, ends = np.array(self._rows(), dtype=object), np.array(inputs, dtype=object)
        below, above = np.minimum(rows, 0), np.maximum(rows, 0)
        low, high = above @ ends[:, 0] + below @ ends[:, 1], above @ ends[:, 1] + below @ ends[:, 0]
        return list(zip(low.tolist(), high.tolist(), strict=True))

    def cost(self, inputs: Sequence[Range]) -> int:
        """Full adders without signs: of each sum, the places where both summands have a bit, which depends on spans."""
        return sum(self._costs(inputs))

    def shares(self, inputs: Sequence[Range]) -> list[float]:
        """The cost by output; those that read a sum bear the same part of it."""
        found = [0.0] * len(self.outputs)
        for mask, cost in zip(self._readers(), self._costs(inputs), strict=True):
            for output in _ones(mask):
                found[output] += cost / mask.bit_count()
        return found

    def parts(self, inputs: Sequence[Range]) -> NDArray[np.float64]:
        """float[I, O]: the same by product; of a sum each bears as much as it has of the signed digits."""
        digits = np.array([[len(_digits(factor)) for factor in row] for row in self._rows()[self.inputs :]])
        found = np.zeros((self.inputs, len(self.outputs)))
        for own, mask, cost in zip(digits, self._readers(), self._costs(inputs), strict=True):
            for output in _ones(mask):
                found[:, output] += cost / mask.bit_count() * own / own.sum()
        return found

    def _readers(self) -> list[int]:
        """A bit for each output that depends on a sum."""
        readers = [0] * (self.inputs + len(self.sums))
        for output, ref in enumerate(self.outputs):
            if ref is not None:
                readers[ref.index] |= 1 << output
        for place in range(len(self.sums) - 1, -1, -1):
            s, mask = self.sums[place], readers[self.inputs + place]
            readers[s.a] |= mask
            readers[s.b] |= mask
        return readers[self.inputs :]

    def _costs(self, inputs: Sequence[Range]) -> list[int]:
        bits = [(high - low).bit_length() for low, high in self.ranges(inputs)]
        pairs = (((bits[s.a], s.shift_a), (bits[s.b], s.shift_b)) for s in self.sums)
        return [max(min(m + i, n + j) - max(i, j), 0) for (m, i), (n, j) in pairs]


def _ones(mask: int) -> list[int]:
    """The places of the bits that are set."""
    return [place for place in range(mask.bit_length()) if mask >> place & 1]


def _scaled(rows: list[list[int]], ref: Ref | None, count: int) -> list[int]:
    if ref is None:
        return [0] * count
    sign = -1 if ref.minus else 1
    return [sign * (value << ref.shift) for value in rows[ref.index]]


class _Builder:
    """Sums by what they add, so that equal ones are made once; every reference is normalised."""

    def __init__(self, inputs: int) -> None:
        self.inputs = inputs
        self.sums: dict[Sum, int] = {}

    def add(self, x: Ref | None, y: Ref | None) -> Ref | None:
        if x is None or y is None:
            return x if y is None else y
        if x.minus and not y.minus:
            x, y = y, x
        negated = x.minus  # then both are
        least = min(x.shift, y.shift)
        made = Sum(x.index, y.index, x.shift - least, y.shift - least, y.minus and not negated)
        place = self.sums.setdefault(made, self.inputs + len(self.sums))
        return Ref(place, least, negated)

    def graph(self, outputs: Sequence[Ref | None]) -> AdderGraph:
        return AdderGraph(self.inputs, tuple(self.sums), tuple(outputs))


def _digits(value: int) -> list[tuple[int, bool]]:
    """Canonical signed digits of an integer: (place, negative), no two neighbours.

    >>> _digits(7)
    [(0, True), (3, False)]
    """
    found, place = [], 0
    while value:
        if value & 1:
            digit = 2 - (value & 3)
            found.append((place, digit < 0))
            value -= digit
        value >>= 1
        place += 1
    return found


def csd(matrix: Matrix) -> AdderGraph:
    """Each column on its own: its canonical signed digits in a balanced tree.

    Args:
        matrix: int64[I, O], applied as `x @ matrix`.
    """
    builder = _Builder(len(matrix))
    outputs: list[Ref | None] = []
    for column in matrix.T.tolist():
        terms: list[Ref | None] = [Ref(i, *digit) for i, value in enumerate(column) for digit in _digits(value)]
        while len(terms) > 1:
            pairs = zip(terms[::2], terms[1::2], strict=False)
            terms = [builder.add(x, y) for x, y in pairs] + (terms[-1:] if len(terms) % 2 else [])
        outputs.append(terms[0] if terms else None)
    return builder.graph(outputs)


def solve(matrix: Matrix, ranges: Sequence[Range], levels: int = -1) -> AdderGraph:
    """The cheapest of alkaid's graphs and of plain signed digits, by `AdderGraph.cost`.

    Args:
        matrix: int64[I, O], applied as `x @ matrix`.
        ranges: lowest and highest value of each input.
        levels: adder levels beyond the fewest that are allowed; any number where negative.
    """
    plain = csd(matrix)
    found = [plain]
    if plain.sums and np.abs(matrix).max() < _EXACT:
        ends = [(float(low), float(max(high, low + 1)), 1.0) for low, high in ranges]
        kernel = np.ascontiguousarray(matrix, dtype=np.float32)
        for method in _METHODS:
            stages = cmvm_solve(kernel, method0=method, hard_dc=levels, qintervals=ends)
            found.append(_translated(stages, len(matrix)))
    right = [graph for graph in found if graph.is_whole and graph.matrix() == matrix.T.tolist()]
    return min(right, key=lambda graph: graph.cost(ranges))


def _translated(stages: Sequence[CombLogic], inputs: int) -> AdderGraph:
    """Alkaid's two programs, the second reading what the first made."""
    builder = _Builder(inputs)
    values: list[Ref | None] = [Ref(i) for i in range(inputs)]
    for stage in stages:
        values = _stage(builder, stage, values)
    return builder.graph(values)


def _stage(builder: _Builder, stage: CombLogic, inputs: list[Ref | None]) -> list[Ref | None]:
    made: list[Ref | None] = []
    for op in stage.ops:
        if op.opcode == -1:
            source = op.data[0]
            made.append(_moved(inputs[source], stage.inp_shifts[source]))
        elif op.opcode == -2:
            made.append(_moved(made[op.addr[0]], 0, minus=True))
        else:  # 0 and 1, all that a solved matrix consists of: a plus or minus a shifted b
            a, b = op.addr
            made.append(builder.add(made[a], _moved(made[b], op.data[0], minus=op.opcode == 1)))
    chosen = zip(stage.out_idxs, stage.out_shifts, stage.out_negs, strict=True)
    return [None if index < 0 else _moved(made[index], shift, bool(minus)) for index, shift, minus in chosen]


def _moved(ref: Ref | None, shift: int, minus: bool = False) -> Ref | None:
    return None if ref is None else ref.scaled(int(shift), minus)
