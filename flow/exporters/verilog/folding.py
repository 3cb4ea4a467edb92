"""How far each layer is folded: PE results and SIMD inputs a cycle.

A stream carries the PE results of one layer as the SIMD inputs of the next, and whatever works lane by lane, joins of
two streams included, has as many lanes on all sides. So streams fall into groups of equal lanes, and one choice for
every group settles everything. Where codes change places, a group has only lanes of which whole beats change places.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import product

from flow.errors import ExportError
from flow.exporters.verilog.eliminate import Factor, Selection, cheapest
from flow.exporters.verilog.routes import SERIAL, Layout, layout_of, turns_of
from flow.exporters.verilog.windows import is_depthwise, windows_of
from flow.ir import ArgMax, Concat, Conv2d, Graph, Input, Linear, Node, ScaleShift, Softmax, Value

__all__ = [
    "DEFAULT_TARGET_CYCLES",
    "Folding",
    "Price",
    "Space",
    "choose_folding",
    "default_target",
    "folding_range",
    "layer_cycles",
    "matrix_shape",
    "moves_fit",
    "row_cycles",
    "stream_lanes",
]

# For a vector of a dense layer, or a position of the largest convolution.
DEFAULT_TARGET_CYCLES = 64

# What a node costs, by its name and the lanes of its groups.
Price = Callable[[str, tuple[int, ...]], float]


@dataclass(frozen=True, slots=True, order=True)
class Folding:
    """One layer's share of hardware.

    Attributes:
        pe: results computed at once; divides the outputs.
        simd: inputs taken at once; divides the inputs of a pixel, and is the `pe` of the layer before. In a depthwise
            convolution every result has an input of its own, and `simd` is 1.
    """

    pe: int
    simd: int

    @property
    def cost(self) -> int:
        """Multipliers and the accumulators behind them: `pe * (simd + 1)`."""
        return self.pe * (self.simd + 1)


def matrix_shape(node: Linear) -> tuple[int, int]:
    """Outputs and products per output of the matrix that is applied at every position, zeros between groups included.

    A depthwise convolution has as many products as taps.
    """
    groups = node.groups if isinstance(node, Conv2d) and not is_depthwise(node) else 1
    return node.weight.shape[0], math.prod(node.weight.shape[1:]) * groups


def _positions(graph: Graph, node: Node) -> int:
    windows = windows_of(graph, node)
    return windows.positions if windows else 1


def layer_cycles(graph: Graph, node: Linear, fold: Folding) -> int:
    """Cycles from one sample to the next of a layer on its own."""
    outputs, inputs = matrix_shape(node)
    return _positions(graph, node) * (outputs // fold.pe) * (inputs // fold.simd)


def row_cycles(node: Softmax, x: Value) -> int:
    """Cycles from one row to the next of a softmax on its own, see rtl/flow_softmax.sv."""
    return 2 * node.length(x) + node.mantissa + 5


def default_target(graph: Graph) -> int:
    """Cycles between two samples that a design may take where nothing else is asked for."""
    return DEFAULT_TARGET_CYCLES * max(
        (_positions(graph, node) for node in graph if isinstance(node, Linear)), default=1
    )


def _divisors(number: int) -> tuple[int, ...]:
    return tuple(d for d in range(1, number + 1) if number % d == 0)


def _mixes(node: Node) -> bool:
    """Whether a node's lanes do not depend on those that it reads."""
    return isinstance(node, Input | ArgMax) or (isinstance(node, Linear) and not is_depthwise(node))


def _lane_groups(graph: Graph) -> dict[str, str]:
    """By node the first node of its group of equal lanes."""
    group: dict[str, str] = {}
    for node in graph:
        group[node.name] = node.name
        if not _mixes(node):
            joined = {group[name] for name in node.inputs}
            home = next(name for name in group if name in joined)
            group = {name: home if found in joined or name == node.name else found for name, found in group.items()}
    return group


def _granules(graph: Graph) -> dict[str, int]:
    """What the lanes of every stream must divide: its size, and a pixel's channels where windows are read from it."""
    found = {node.name: graph.values[node.name].size for node in graph}
    for node in graph:
        for name in node.inputs if windows_of(graph, node) else ():
            found[name] = math.gcd(found[name], graph.values[name].shape[0])
        if windows_of(graph, node):
            found[node.name] = math.gcd(found[node.name], graph.values[node.name].shape[0])
    return found


def moves_fit(graph: Graph, layout: Layout, node: Node, lanes: int) -> bool:
    """Whether a node can read its operands and make its result with so many lanes on all sides."""
    if isinstance(node, SERIAL) and lanes > 1:
        return False
    if isinstance(node, Concat):
        turns = turns_of(graph, node, layout.orders[node.name])
        if len(turns) % lanes or (turns.reshape(-1, lanes) != turns[::lanes, None]).any():
            return False
    routes = [layout.routes[node.name, i] for i in range(len(node.inputs)) if (node.name, i) in layout.routes]
    return all(route.fits(lanes) for route in routes)


def _domains(graph: Graph, layout: Layout, group: Mapping[str, str]) -> dict[str, tuple[int, ...]]:
    """The lanes that every group can have."""
    granules, domains = _granules(graph), dict[str, tuple[int, ...]]()
    for home in dict.fromkeys(group.values()):
        common = math.gcd(*(granules[name] for name, found in group.items() if found == home))
        readers = [node for node in graph if home in {group[name] for name in node.inputs}]
        lanes = [n for n in _divisors(common) if all(moves_fit(graph, layout, node, n) for node in readers)]
        # Only layers say in how many lanes a host sends.
        alone = isinstance(graph[home], Input) and not any(isinstance(node, Linear) for node in readers)
        domains[home] = (1,) if alone or isinstance(graph[home], ArgMax) else tuple(lanes)
    return domains


def _beats(graph: Graph, layout: Layout, node: Node, lanes: int) -> int:
    """Cycles that a node without a matrix takes for a sample: its beats, each as often as windows cover it."""
    read = [graph.values[name].size // lanes for name in node.inputs]
    read += [len(route.places) // lanes for (name, _), route in layout.routes.items() if name == node.name]
    if isinstance(node, Softmax):
        (x,) = graph.operands(node)
        read.append(x.size // node.length(x) * row_cycles(node, x))
    windows = windows_of(graph, node)
    covered = [windows.positions * windows.taps * graph.values[node.inputs[0]].shape[0] // lanes] if windows else []
    return max([graph.values[node.name].size // (1 if isinstance(node, ArgMax) else lanes), *read, *covered])


def _counted(graph: Graph) -> Price:
    """Multipliers and the accumulators behind them, whatever the lengths of their words."""
    products = {node.name: 2 if isinstance(node, ScaleShift) else 0 for node in graph}

    def price(name: str, lanes: tuple[int, ...]) -> float:
        node = graph[name]
        return _fold(node, lanes).cost if isinstance(node, Linear) else lanes[0] * products[name]

    return price


def _fold(node: Linear, lanes: tuple[int, ...]) -> Folding:
    """That of a layer by the lanes of its groups."""
    return Folding(lanes[-1], 1 if is_depthwise(node) else lanes[0])


def _factors(graph: Graph, layout: Layout, group: Mapping[str, str], price: Price) -> Iterable[Factor]:
    """What each node costs and takes, by the lanes of the groups that it stands between."""
    for node in graph:
        own, read = group[node.name], [group[name] for name in node.inputs]
        if isinstance(node, Linear):
            slowest = layer_cycles(graph, node, Folding(1, 1))

            def found(lanes: tuple[int, ...], node: Linear = node, slowest: int = slowest) -> Selection:
                fold = _fold(node, lanes)
                return slowest // (fold.pe * fold.simd), price(node.name, lanes), ((node.name, fold),)

            yield Factor(node.name, (read[0], own) if read[0] != own and not is_depthwise(node) else (own,), found)
        else:
            place = own if not isinstance(node, ArgMax) else read[0]

            def plain(lanes: tuple[int, ...], node: Node = node) -> Selection:
                return _beats(graph, layout, node, lanes[0]), price(node.name, lanes), ()

            yield Factor(node.name, (place,), plain)


@dataclass(frozen=True, slots=True)
class Space:
    """What can be chosen: the lanes of every group, and what every node costs and takes by them.

    Attributes:
        graph: of operators with streaming RTL.
        domains: the lanes that every group can have, by its name.
        factors: one for every node.
    """

    graph: Graph
    domains: dict[str, tuple[int, ...]]
    factors: tuple[Factor, ...]

    @classmethod
    def of(cls, graph: Graph, price: Price | None = None) -> Space:
        """Of a graph, at prices; multipliers and accumulators are counted where there are none."""
        group, layout = _lane_groups(graph), layout_of(graph)
        factors = _factors(graph, layout, group, price or _counted(graph))
        return cls(graph, _domains(graph, layout, group), tuple(factors))

    def cycles(self, choose: Callable[[tuple[int, ...]], int]) -> int:
        """Cycles of the slowest node where `choose` says which of a group's lanes are taken."""
        lanes = {home: choose(domain) for home, domain in self.domains.items()}
        return max(factor.of(tuple(lanes[name] for name in factor.groups))[0] for factor in self.factors)

    def paces(self) -> list[int]:
        """Cycles between two samples that some folding may have, ascending: those of any node, none below the least."""
        least = self.cycles(max)
        return sorted({max(least, factor.of(lanes)[0]) for factor, lanes in self.choices()})

    def choices(self) -> list[tuple[Factor, tuple[int, ...]]]:
        """Every node with all lanes that its groups can have."""
        return [(f, lanes) for f in self.factors for lanes in product(*(self.domains[name] for name in f.groups))]

    def folding(self, lanes: Mapping[str, int]) -> dict[str, Folding]:
        """That of every layer by the lanes of all groups."""
        nodes = [(self.graph[factor.name], factor.groups) for factor in self.factors]
        return {
            node.name: _fold(node, tuple(lanes[name] for name in groups))
            for node, groups in nodes
            if isinstance(node, Linear)
        }


def folding_range(graph: Graph) -> tuple[int, int]:
    """Cycles between two samples of the fastest folding of a graph and of the slowest."""
    space = Space.of(graph)
    return space.cycles(max), space.cycles(min)


def choose_folding(graph: Graph, target_cycles: int | None = None, price: Price | None = None) -> dict[str, Folding]:
    """The folding of every layer that meets the target at the least price.

    Args:
        graph: of operators with streaming RTL.
        target_cycles: cycles between two samples that no stage may exceed, at least 1; where None, those of
            `default_target`, or what the fastest folding takes.
        price: of every node; multipliers and accumulators are counted where None.

    Raises:
        ExportError: the target is below one cycle, or below what the fastest folding takes.
    """
    target = default_target(graph) if target_cycles is None else target_cycles
    if target < 1:
        raise ExportError(f"A sample takes at least one cycle, but the target is {target}; ask for 1 or more.")
    space = Space.of(graph, price)
    least = space.cycles(max)
    best = cheapest(space.domains, space.factors, max(target, least) if target_cycles is None else target)
    if best is None:
        raise ExportError(
            f"Design {graph.name!r} takes {least} cycles a sample with all lanes it can have, more than the "
            f"target of {target}; ask for {least} or more."
        )
    return {node.name: best[node.name] for node in graph if node.name in best}


def _layer_lanes(graph: Graph, node: Linear, lanes: int, folding: Mapping[str, Folding]) -> int:
    chosen, (outputs, inputs) = folding.get(node.name), matrix_shape(node)
    kind, deep = type(node).__name__, is_depthwise(node)
    if chosen is None:
        raise ExportError(f"{kind} {node.name!r} has no folding; give it a PE that divides {outputs}.")
    if deep and (chosen.pe, chosen.simd) != (lanes, 1):
        raise ExportError(
            f"{kind} {node.name!r} is depthwise and cannot be folded to PE {chosen.pe} and SIMD {chosen.simd}: PE must "
            f"equal the {lanes} lanes of {node.inputs[0]!r}, and SIMD must be 1."
        )
    taken = inputs // math.prod(node.weight.shape[2:])
    if not deep and (outputs % chosen.pe or taken % chosen.simd or chosen.simd != lanes):
        raise ExportError(
            f"{kind} {node.name!r} ({outputs} x {inputs}) cannot be folded to PE {chosen.pe} and SIMD {chosen.simd}: "
            f"PE must divide {outputs}, and SIMD must divide {taken} and equal the {lanes} lanes of {node.inputs[0]!r}."
        )
    return chosen.pe


def _input_lanes(graph: Graph, folding: Mapping[str, Folding]) -> int:
    """Lanes of the input: the SIMD of the first layer that reads it, one where there is none."""
    reached = {graph.input.name}
    for node in graph:
        if reached.isdisjoint(node.inputs):
            continue
        if isinstance(node, Linear):
            chosen = folding.get(node.name, Folding(1, 1))
            return chosen.pe if is_depthwise(node) else chosen.simd
        if not _mixes(node):
            reached.add(node.name)
    return 1


def stream_lanes(graph: Graph, folding: Mapping[str, Folding], layout: Layout) -> dict[str, int]:
    """Codes per beat of every node's stream.

    Raises:
        ExportError: a layer has no folding, one that does not divide its shape or does not fit the stream it reads, or
            two streams with different lanes meet.
    """
    lanes: dict[str, int] = {}
    granules = _granules(graph)
    for node in graph:
        read = [lanes[name] for name in node.inputs]
        if isinstance(node, Input):
            lanes[node.name] = _input_lanes(graph, folding)
        elif isinstance(node, Linear):
            lanes[node.name] = _layer_lanes(graph, node, read[0], folding)
        elif len(set(read)) > 1:
            raise ExportError(
                f"Node {node.name!r} ({node.op}) joins streams of {read[0]} and {read[1]} lanes; fold the layers "
                "before it to the same PE."
            )
        else:
            lanes[node.name] = 1 if isinstance(node, ArgMax) else read[0]
        if not isinstance(node, Linear | ArgMax) and granules[node.name] % lanes[node.name]:
            raise ExportError(
                f"The stream of {node.name!r} cannot have {lanes[node.name]} lanes, which do not divide its "
                f"{granules[node.name]} codes; choose another PE or SIMD for the layers beside it."
            )
        if node.inputs and not moves_fit(graph, layout, node, read[0]):
            raise ExportError(
                f"Node {node.name!r} ({node.op}) moves codes one by one and cannot read streams of {read[0]} lanes; "
                "choose another PE or SIMD for the layers before it."
            )
    return lanes
