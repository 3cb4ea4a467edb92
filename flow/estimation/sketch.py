"""How a graph without streaming RTL would be folded, and how long it would take."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from flow.errors import ExportError
from flow.exporters.verilog import DEFAULT_TARGET_CYCLES, Folding
from flow.exporters.verilog.products import Dsp
from flow.ir import ArgMax, AvgPool2d, Conv2d, Graph, Input, Linear, MatMul, MaxPool2d, Node, ScaleShift, Transpose

__all__ = ["Sketch", "matrix_shape", "sketch"]

_WINDOW_LATENCY = 3


@dataclass(frozen=True, slots=True)
class Sketch:
    """How a graph would be folded.

    Attributes:
        graph: the live part of the graph.
        folding: of every Dense and Conv2d.
        lanes: codes a beat, by node name.
        cycles: cycles a sample, by node name.
        dsp: whether products may become DSPs, for all nodes or by name.
    """

    graph: Graph
    folding: dict[str, Folding]
    lanes: dict[str, int]
    cycles: dict[str, int]
    dsp: Dsp = False

    @property
    def ii_cycles(self) -> int:
        """Cycles between two samples: the slowest node."""
        return max(self.cycles.values())

    @property
    def latency_cycles(self) -> int:
        """From the first beat in to the last beat out: the windows on the longest path fill, then a sample passes."""
        reached: dict[str, int] = {}
        for node in self.graph:
            before = max((reached[name] for name in node.inputs), default=0)
            reached[node.name] = before + _fill(self, node)
        return max(reached[name] for name in self.graph.outputs) + self.ii_cycles


def _divisors(number: int) -> list[int]:
    return [d for d in range(1, number + 1) if number % d == 0]


def matrix_shape(node: Linear) -> tuple[int, int]:
    """Outputs and products per output of the matrix that is applied at every position."""
    return node.weight.shape[0], math.prod(node.weight.shape[1:])


def _positions(graph: Graph, node: Node) -> int:
    shape = graph.values[node.name].shape
    return math.prod(shape[1:]) if isinstance(node, Conv2d) else 1


def _fold(node: Linear, positions: int, target: int) -> Folding:
    """The exporter's rule for one layer: the fewest multipliers and accumulators that meet the target."""
    outputs, inputs = matrix_shape(node)
    options = [Folding(pe, simd) for pe in _divisors(outputs) for simd in _divisors(inputs)]
    met = [f for f in options if positions * (outputs // f.pe) * (inputs // f.simd) <= target]
    return min(met or [Folding(outputs, inputs)], key=lambda fold: (fold.cost, fold))


def _given(node: Linear, pair: tuple[int, int] | None) -> Folding:
    outputs, inputs = matrix_shape(node)
    if pair is None or outputs % pair[0] or inputs % pair[1]:
        raise ExportError(
            f"{type(node).__name__} {node.name!r} ({outputs} x {inputs}) cannot be folded to {pair}: give it a PE that "
            f"divides {outputs} and a SIMD that divides {inputs}."
        )
    return Folding(*pair)


def sketch(graph: Graph, folding: Mapping[str, tuple[int, int]] | None = None, dsp: Dsp = False) -> Sketch:
    """Fold a graph: a position of the largest convolution takes as long as a vector of a Dense may.

    Raises:
        ExportError: a given folding does not divide a layer.
    """
    linear = [node for node in graph if isinstance(node, Linear)]
    target = DEFAULT_TARGET_CYCLES * max((_positions(graph, node) for node in linear), default=1)
    chosen = {
        node.name: _fold(node, _positions(graph, node), target)
        if folding is None
        else _given(node, folding.get(node.name))
        for node in linear
    }
    lanes: dict[str, int] = {}
    for node in graph:
        lanes[node.name] = _lanes(graph, node, chosen, lanes)
    cycles = {node.name: _cycles(graph, node, chosen, lanes) for node in graph}
    return Sketch(graph, chosen, lanes, cycles, dsp)


def _lanes(graph: Graph, node: Node, folding: Mapping[str, Folding], lanes: Mapping[str, int]) -> int:
    if isinstance(node, Input):
        return 1
    if node.name in folding:
        return folding[node.name].pe
    return 1 if isinstance(node, ArgMax) else max(lanes[name] for name in node.inputs)


def _cycles(graph: Graph, node: Node, folding: Mapping[str, Folding], lanes: Mapping[str, int]) -> int:
    if isinstance(node, Linear):
        (outputs, inputs), fold = matrix_shape(node), folding[node.name]
        return _positions(graph, node) * (outputs // fold.pe) * (inputs // fold.simd)
    sizes = [graph.values[name].size // lanes[name] for name in (*node.inputs, node.name)]
    if isinstance(node, MatMul):  # every result takes a product for each term
        sizes.append(sizes[-1] * graph.operands(node)[0].shape[-1])
    return max(*sizes, 1)


def _fill(plan: Sketch, node: Node) -> int:
    """Cycles until a node can make its first code: a window needs all rows but the last, a transposition a sample."""
    if isinstance(node, Conv2d | MaxPool2d | AvgPool2d):
        source = plan.graph.values[node.inputs[0]]
        beats = source.shape[0] * (source.shape[2] * (node.kernel[0] - 1) + node.kernel[1])
        return beats // plan.lanes[node.inputs[0]] + _WINDOW_LATENCY
    if isinstance(node, Transpose):
        return plan.graph.values[node.name].size // plan.lanes[node.name]
    return _WINDOW_LATENCY if isinstance(node, Linear | ScaleShift) else 1
