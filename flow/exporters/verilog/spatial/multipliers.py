"""Products of a constant matrix that DSPs make instead of shifts and additions: which ones save most LUTs.

A DSP multiplies an input by one long constant and adds one long word. A constant that holds the factors of the same
input in several columns, far enough apart, makes as many products, and their additions to the rest of the columns:
`x * (c0 + (c1 << 14)) + (r0 + (r1 << 14))`. What a product takes as shifts and additions depends on all others, which
share them: products are ranked by their part of the solved graph, and kept where what is left, solved again, is less.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from flow.exporters.verilog.spatial.adder_graph import Range, solve
from flow.exporters.verilog.spatial.dsp import Shared, fits, has_room, without
from flow.exporters.verilog.spatial.products import forms
from flow.ir import Dense, Graph

__all__ = ["NO_MULTIPLIERS", "Multipliers", "multiplied"]


@dataclass(frozen=True, slots=True)
class Multipliers:
    """DSPs that a spatial design may have.

    Attributes:
        count: at most so many.
        adder: whether synthesis puts the addition behind a product into the DSP: Yosys does so with a DSP48E1, and
            leaves a DSP48E2's idle. Then products are chosen that save LUTs even if it stays outside.
    """

    count: int = 0
    adder: bool = False


NO_MULTIPLIERS = Multipliers()
_PARTS = 8  # of what a layer could have, and one by one below


@dataclass(slots=True, eq=False)
class _Layer:
    """A constant matrix, and what its products would save.

    Attributes:
        matrix: int64[I, O].
        ends: of each input.
        widths: bits of each input without its sign; 0 of a constant.
        tops: bits of each column's sums, and one more, as words without signs do not always start at 0.
        saved: float[I, O], LUTs as estimated.
        free: bool[O], columns of which no DSP makes a product yet. One for a column, so that DSPs do not follow each
            other.
        chosen: the best ones, best first.
        sizes: LUTs that are left, by how many of those are kept.
    """

    name: str
    matrix: NDArray[np.int64]
    ends: list[Range]
    widths: list[int]
    tops: list[int]
    saved: NDArray[np.float64]
    free: NDArray[np.bool_]
    chosen: list[Shared] = field(default_factory=list)
    sizes: dict[int, int] = field(default_factory=dict)

    def best(self) -> tuple[float, Shared | None]:
        """The DSP that saves most, and what."""
        found = [self._of_row(row) for row in range(len(self.matrix))]
        return max(found, key=lambda entry: entry[0], default=(0.0, None))

    def _of_row(self, row: int) -> tuple[float, Shared | None]:
        """The products of one input that save most, as many as one DSP makes."""
        columns: list[int] = []
        for column in np.argsort(-self.saved[row], kind="stable").tolist():
            if self.free[column] and self.saved[row, column] > 0 and has_room(*self._products(row, [*columns, column])):
                columns.append(column)
        columns.sort(key=lambda column: self.tops[column])  # the longest last: nothing lies above it
        if not columns or not fits(*self._products(row, columns)):
            return 0.0, None
        return float(self.saved[row, columns].sum()), Shared(row, tuple(columns))

    def _products(self, row: int, columns: Sequence[int]) -> tuple[int, list[int], list[int]]:
        """What `fits` asks for."""
        longest = sorted(columns, key=lambda column: self.tops[column])
        factors = [int(self.matrix[row, column]) for column in longest]
        return self.widths[row], factors, [self.tops[column] for column in longest]

    def take(self, shared: Shared) -> None:
        """One more."""
        self.chosen.append(shared)
        self.free[list(shared.columns)] = False

    def shorten(self, adder: bool) -> bool:
        """Keep the best of the chosen ones, with how many least LUTs are left: some numbers up to all are tried.

        Returns:
            Whether some are given back.
        """
        whole = len(self.chosen)
        counts = {min(n, whole) for n in range(_PARTS)} | {whole * n // _PARTS for n in range(_PARTS + 1)}
        kept = min(sorted(counts), key=lambda count: self._size(count, adder))
        self.chosen = self.chosen[:kept]
        return kept < whole

    def _size(self, count: int, adder: bool) -> int:
        """LUTs that are left with so many of the chosen ones, as estimated."""
        if count not in self.sizes:
            part = self.chosen[:count]
            _, _, choice = forms(without(self.matrix, part), self.ends, self.widths)
            outside = sum(self.tops[column] for each in part for column in each.columns)
            self.sizes[count] = choice.luts + (0 if adder else outside)
        return self.sizes[count]


def _layer(node: Dense, ends: list[Range], adder: bool) -> _Layer:
    matrix, spans = node.weight.codes.T, [high - low for low, high in ends]
    widths = [span.bit_length() for span in spans]
    tops = [sum(abs(f) * span for f, span in zip(c, spans, strict=True)).bit_length() + 1 for c in matrix.T.tolist()]
    parts = solve(matrix, ends).parts(ends)
    free = np.full(len(tops), fill_value=True)
    return _Layer(node.name, matrix, ends, widths, tops, parts if adder else parts - np.array(tops), free)


def multiplied(
    graph: Graph, ranges: Mapping[str, list[Range]], multipliers: Multipliers
) -> dict[str, tuple[Shared, ...]]:
    """By the name of a Dense the products that DSPs make; convolutions would take one for each position, and have none.

    Args:
        graph: every node needed by an output.
        ranges: of all codes that a Dense reads, by value.
        multipliers: how many at most.
    """
    dense = [node for node in graph if isinstance(node, Dense)]
    layers = [_layer(node, ranges[node.inputs[0]], multipliers.adder) for node in dense]
    _choose(layers, multipliers)
    return {layer.name: tuple(layer.chosen) for layer in layers if layer.chosen}


def _choose(layers: Sequence[_Layer], multipliers: Multipliers) -> None:
    """The best of all layers; what one of them gives back goes to the others."""
    rest = list(layers)
    while rest and (left := multipliers.count - sum(len(layer.chosen) for layer in layers)) > 0:
        for _ in range(left):
            layer, (_, shared) = max(((each, each.best()) for each in rest), key=lambda entry: entry[1][0])
            if shared is None:
                break
            layer.take(shared)
        whole = [layer for layer in rest if not layer.shorten(multipliers.adder)]
        rest = whole if len(whole) < len(rest) else []
