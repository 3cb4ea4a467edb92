"""The graph as blocks: a block is one module with registers at its output, and the words of what it computes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.exporters.verilog.spatial.dsp import Shared
from flow.exporters.verilog.spatial.emit import Emitted, emit
from flow.exporters.verilog.spatial.moves import MOVES, Move, make_move
from flow.exporters.verilog.spatial.multipliers import NO_MULTIPLIERS, Multipliers, multiplied
from flow.exporters.verilog.spatial.neurons import Neurons, with_truth_tables
from flow.exporters.verilog.spatial.operators import OPERATORS
from flow.exporters.verilog.spatial.words import Choice, Unit, Word
from flow.ir import (
    Conv2d,
    Dense,
    Graph,
    Input,
    Node,
    Relu,
    Requantize,
    RequantizeEach,
    RequantizeMinifloat,
    ScaleShift,
    Table,
    Value,
)
from flow.ir.carriers import INTEGERS
from flow.ir.formulas import FORMULAS

__all__ = ["Block", "Ranges", "make_parts"]

# What one position of a convolution can go on with.
_PER_CHANNEL = (Relu, Requantize, RequantizeMinifloat, ScaleShift, Table)
_STARTS = (Dense, Conv2d)  # always behind a register

Ranges = list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Block:
    """One module and where it stands.

    Attributes:
        nodes: what it computes, the last one being its result.
        reads: the values on its inputs, side by side on its bus.
        unit: its operations.
        words: of those, the result's, first code first.
        body: the module's text.
        taps: for each instance, the place in the value read of every code on its bus, -1 for a zero; None for the
            whole bus of all values.
        places: for each instance, the places of its results in the block's value.
        ranges: of every code of the result.
        neurons: the results that are truth tables; None where none is.
        lane: bits of a code on the bus of `taps`; 0 where there are none.
    """

    nodes: tuple[Node, ...]
    reads: tuple[str, ...]
    unit: Unit
    words: tuple[Word, ...]
    body: Emitted
    taps: tuple[tuple[int, ...], ...] | None
    places: tuple[tuple[int, ...], ...]
    ranges: Ranges
    neurons: Neurons | None
    lane: int = 0

    @property
    def name(self) -> str:
        """Its result."""
        return self.nodes[-1].name

    @property
    def choice(self) -> Choice | None:
        """The forms of all its products with constants; None where it has none."""
        return reduce(add, self.unit.choices) if self.unit.choices else None


def _chains(graph: Graph) -> list[tuple[Node, ...]]:
    """Nodes in runs, of which all but the last have one reader and are no output."""
    readers = {node.name: [other for other in graph if node.name in other.inputs] for node in graph}
    taken: set[str] = set()
    found = []
    for node in graph:
        if node.name in taken or isinstance(node, (Input, *MOVES)):
            continue
        run = [node]
        while len(readers[run[-1].name]) == 1 and run[-1].name not in graph.outputs:
            (after,) = readers[run[-1].name]
            if len(after.inputs) != 1 or isinstance(after, (*_STARTS, *MOVES)) or not _goes_on(run[0], after):
                break
            run.append(after)
        taken.update(entry.name for entry in run)
        found.append(tuple(run))
    return found


def _goes_on(first: Node, after: Node) -> bool:
    if not isinstance(first, Conv2d) or isinstance(after, _PER_CHANNEL):
        return True
    return isinstance(after, RequantizeEach) and after.fracs.shape[1:] == (1, 1)


def make_parts(
    graph: Graph, depth: int = 0, multipliers: Multipliers = NO_MULTIPLIERS
) -> tuple[list[Block | Move], dict[str, Ranges]]:
    """The blocks of a graph and the wires between them, each behind those that it reads; ranges of all codes by value.

    Args:
        graph: every node needed by an output.
        depth: carry chains between two registers inside a block; 0 for registers at its output only.
        multipliers: DSPs that the products of dense layers may take.

    Raises:
        ExportError: a minifloat or a constant that is too long for its form here.
    """
    if not multipliers.count:
        return _parts(graph, depth, {})
    _, ranges = _parts(graph, depth, {})  # which do not depend on how products are made
    return _parts(graph, depth, multiplied(graph, ranges, multipliers))


def _parts(
    graph: Graph, depth: int, shared: Mapping[str, Sequence[Shared]]
) -> tuple[list[Block | Move], dict[str, Ranges]]:
    source = graph.values[graph.input.name]
    ranges: dict[str, Ranges] = {graph.input.name: [(source.low, source.high)] * source.size}
    starts = {run[0].name: run for run in _chains(graph)}
    parts: list[Block | Move] = []
    for node in graph:
        if isinstance(node, MOVES):
            move = make_move(graph, node)
            ranges[move.name] = _moved(move, ranges)
            parts.append(move)
        elif node.name in starts:
            run = starts[node.name]
            is_image = isinstance(run[0], Conv2d)
            block = _positions(graph, run, ranges, depth) if is_image else _whole(graph, run, ranges, depth, shared)
            ranges[block.name] = block.ranges
            parts.append(block)
    return parts, ranges


def _moved(move: Move, ranges: Mapping[str, Ranges]) -> Ranges:
    """Ranges of the codes that a move gives."""
    held = [[(low << lift, high << lift) for low, high in ranges[name]]
            for name, lift in zip(move.reads, move.lifts, strict=True)]  # fmt: skip
    return [(0, 0) if source is None else held[source[0]][source[1]] for source in move.sources]


def _run(unit: Unit, graph: Graph, run: tuple[Node, ...], first: list[list[Word]]) -> list[Word]:
    """The result of all nodes of a run."""
    words = first
    for node in run:
        words = [OPERATORS[type(node)](unit, node, graph.operands(node), *words)]
    return words[0]


def _computed(nodes: Sequence[Node], types: Sequence[tuple[Value, ...]], codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """int64[N, inputs] to int64[N, results] by the arbiter's formulas.

    Args:
        nodes: of a run, in order.
        types: of what each reads; all that the first one reads lies side by side in `codes`.
        codes: of the first node's inputs.
    """
    ends = np.cumsum([value.size for value in types[0]])[:-1]
    parts = np.split(codes, ends, axis=1)
    values = [part.reshape(-1, *value.shape) for part, value in zip(parts, types[0], strict=True)]
    for node, read in zip(nodes, types, strict=True):
        values = [FORMULAS[type(node)](node, read, INTEGERS)(*values)]
    return values[0].reshape(len(codes), -1)


def _narrowed(words: list[Word], graph: Graph, name: str) -> Ranges:
    """Ranges of words, which are those of the graph or narrower."""
    value = graph.values[name]
    return [(max(word.low, value.low), min(word.high, value.high)) for word in words]


def _lane(graph: Graph, name: str) -> int:
    return graph.values[name].format.width


def _whole(
    graph: Graph,
    run: tuple[Node, ...],
    ranges: Mapping[str, Ranges],
    depth: int,
    shared: Mapping[str, Sequence[Shared]],
) -> Block:
    """One module for the whole value; the values that it reads lie side by side on its bus."""
    unit, reads, bit = Unit(shared=shared), run[0].inputs, 0
    first: list[list[Word]] = []
    for name in reads:
        lane = _lane(graph, name)
        first.append([unit.input(bit + i * lane, *ends) for i, ends in enumerate(ranges[name])])
        bit += lane * len(first[-1])
    words, types = _run(unit, graph, run, first), [graph.operands(node) for node in run]
    inputs = [word for part in first for word in part]
    words, neurons = with_truth_tables(unit, inputs, words, lambda codes: _computed(run, types, codes))
    body = emit(unit, words, _lane(graph, run[-1].name), depth)
    narrow = _narrowed(words, graph, run[-1].name)
    return Block(run, reads, unit, tuple(words), body, None, (tuple(range(len(words))),), narrow, neurons)


def _taps(node: Conv2d, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """int64[positions, window]: the place of every code of a window in the input, -1 in the padding."""
    (ph, pw), places = node.padding, np.arange(np.prod(shape)).reshape(shape)
    padded = np.pad(places, ((0, 0), (ph, ph), (pw, pw)), constant_values=-1)
    view = np.lib.stride_tricks.sliding_window_view(padded, node.kernel, axis=(1, 2))
    view = view[:, :: node.stride[0], :: node.stride[1]]
    return view.transpose(1, 2, 0, 3, 4).reshape(-1, shape[0] * int(np.prod(node.kernel)))


def _positions(graph: Graph, run: tuple[Any, ...], ranges: Mapping[str, Ranges], depth: int) -> Block:
    """One module for a position of a convolution, and an instance for each."""
    unit, (source,), node = Unit(), run[0].inputs, run[0]
    value, taps = graph.values[source], _taps(node, graph.values[source].shape)
    held = [*ranges[source], (0, 0)]  # the last is what -1 points at
    ends = [(min(held[i][0] for i in column), max(held[i][1] for i in column)) for column in taps.T.tolist()]
    inputs = [unit.input(i * value.format.width, *pair) for i, pair in enumerate(ends)]
    words = _run(unit, graph, run, [inputs])
    words, neurons = with_truth_tables(unit, inputs, words, lambda codes: _computed(*_one(graph, run), codes))
    body = emit(unit, words, _lane(graph, run[-1].name), depth)
    count = len(taps)
    places = tuple(tuple(channel * count + i for channel in range(len(words))) for i in range(count))
    narrow = [pair for pair in _narrowed(words, graph, run[-1].name) for _ in range(count)]
    return Block(run, (source,), unit, tuple(words), body, tuple(map(tuple, taps.tolist())), places, narrow, neurons,
                 value.format.width)  # fmt: skip


def _one(graph: Graph, run: tuple[Any, ...]) -> tuple[list[Node], list[tuple[Value, ...]]]:
    """The nodes for one position and what they read there: a window, then a code of every channel."""
    first, (source,) = run[0], graph.operands(run[0])
    nodes = [replace(first, padding=(0, 0), stride=(1, 1)), *run[1:]]
    windows = [replace(source, shape=(source.shape[0], *first.kernel))]
    for node in run[1:]:
        (value,) = graph.operands(node)
        windows.append(replace(value, shape=(value.shape[0], 1, 1)))
    return nodes, [(value,) for value in windows]
