"""How far each Dense layer is folded: PE neurons and SIMD inputs a cycle.

A stream carries the PE results of one layer as the SIMD inputs of the next, so the two are equal, and one choice of
lanes for every stream settles everything. The search is exact: a tree of streams, each with few divisors.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from flow.errors import ExportError
from flow.ir import Dense, Flatten, Graph, Input, Node, Relu, Requantize

__all__ = ["DEFAULT_TARGET_CYCLES", "Folding", "choose_folding", "stream_lanes"]

DEFAULT_TARGET_CYCLES = 64
_PER_LANE = (Relu, Requantize, Flatten)


@dataclass(frozen=True, slots=True, order=True)
class Folding:
    """One Dense layer's share of hardware.

    Attributes:
        pe: neurons computed at once; divides the outputs.
        simd: inputs taken at once; divides the inputs, and is the `pe` of the layer before.
    """

    pe: int
    simd: int

    @property
    def cost(self) -> int:
        """Multipliers and the accumulators behind them: `pe * (simd + 1)`."""
        return self.pe * (self.simd + 1)

    def cycles(self, layer: Dense) -> int:
        """Cycles from one vector to the next."""
        outputs, inputs = layer.weight.shape
        return (outputs // self.pe) * (inputs // self.simd)


def _divisors(number: int) -> tuple[int, ...]:
    return tuple(d for d in range(1, number + 1) if number % d == 0)


def _consumers(graph: Graph) -> dict[str, list[Node]]:
    readers: dict[str, list[Node]] = {node.name: [] for node in graph}
    for node in graph:
        for name in node.inputs:
            readers[name].append(node)
    return readers


_Choice = tuple[int, tuple[tuple[str, Folding], ...]]


def _cheapest(choices: Iterable[_Choice]) -> _Choice | None:
    return min(choices, default=None, key=lambda choice: (choice[0], choice[1]))


def choose_folding(graph: Graph, target_cycles: int = DEFAULT_TARGET_CYCLES) -> dict[str, Folding]:
    """The folding of every Dense layer that meets the target with the fewest multipliers and accumulators.

    Args:
        graph: of vector operators.
        target_cycles: cycles between two samples that no stage may exceed, at least 1.

    Raises:
        ExportError: the target is below one cycle.
    """
    if target_cycles < 1:
        raise ExportError(f"A sample takes at least one cycle, but the target is {target_cycles}; ask for 1 or more.")
    readers = _consumers(graph)

    @cache
    def downstream(name: str, lanes: int) -> _Choice | None:
        """The cheapest folding of everything behind stream `name`, given its lanes; None if none meets the target."""
        if graph.values[name].size // lanes > target_cycles:
            return None
        found = [part for part in (through(node, lanes) for node in readers[name]) if part is not None]
        if len(found) < len(readers[name]):
            return None
        return sum(cost for cost, _ in found), tuple(sorted(pair for _, pairs in found for pair in pairs))

    def through(node: Node, lanes: int) -> _Choice | None:
        if not isinstance(node, Dense):
            return downstream(node.name, lanes if isinstance(node, _PER_LANE) else 1)
        options = [Folding(pe, lanes) for pe in _divisors(node.weight.shape[0])]
        return _cheapest(
            (option.cost + rest[0], ((node.name, option), *rest[1]))
            for option in options
            if option.cycles(node) <= target_cycles and (rest := downstream(node.name, option.pe)) is not None
        )

    source = graph.input.name
    starts = (downstream(source, lanes) for lanes in _divisors(graph.values[source].size))
    best = _cheapest(choice for choice in starts if choice is not None)
    # Fully parallel is always a choice and takes one cycle, so there is a best one.
    return {} if best is None else dict(best[1])


def _dense_lanes(graph: Graph, node: Dense, lanes: int, folding: Mapping[str, Folding]) -> int:
    chosen, (outputs, inputs) = folding.get(node.name), node.weight.shape
    if chosen is None:
        raise ExportError(f"Dense {node.name!r} has no folding; give it a PE that divides {outputs}.")
    if outputs % chosen.pe or inputs % chosen.simd or chosen.simd != lanes:
        raise ExportError(
            f"Dense {node.name!r} ({outputs} x {inputs}) cannot be folded to PE {chosen.pe} and SIMD {chosen.simd}: PE "
            f"must divide {outputs}, and SIMD must divide {inputs} and equal the {lanes} lanes of {node.inputs[0]!r}."
        )
    return chosen.pe


def _input_lanes(graph: Graph, folding: Mapping[str, Folding]) -> int:
    """Lanes of the input: the SIMD of the first Dense that reads it, one where there is none."""
    reached = {graph.input.name}
    for node in graph:
        if reached.isdisjoint(node.inputs):
            continue
        if isinstance(node, Dense):
            return folding[node.name].simd if node.name in folding else 1
        if isinstance(node, _PER_LANE):
            reached.add(node.name)
    return 1


def stream_lanes(graph: Graph, folding: Mapping[str, Folding]) -> dict[str, int]:
    """Codes per beat of every node's stream.

    Raises:
        ExportError: a Dense has no folding, or one that does not divide its shape or does not fit the stream it reads.
    """
    lanes: dict[str, int] = {}
    for node in graph:
        if isinstance(node, Input):
            lanes[node.name] = _input_lanes(graph, folding)
        elif isinstance(node, Dense):
            lanes[node.name] = _dense_lanes(graph, node, lanes[node.inputs[0]], folding)
        else:
            lanes[node.name] = lanes[node.inputs[0]] if isinstance(node, _PER_LANE) else 1
    return lanes
