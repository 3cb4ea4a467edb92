"""How far each layer is folded: PE results and SIMD inputs a cycle.

A stream carries the PE results of one layer as the SIMD inputs of the next, and whatever works lane by lane, joins of
two streams included, has as many lanes on all sides. So streams fall into groups of equal lanes, and one choice for
every group settles everything.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from flow.errors import ExportError
from flow.exporters.verilog.eliminate import Factor, Selection, cheapest
from flow.exporters.verilog.order import has_images
from flow.exporters.verilog.windows import is_depthwise, windows_of
from flow.ir import ArgMax, Conv2d, Graph, Input, Linear, Node, ScaleShift

__all__ = [
    "DEFAULT_TARGET_CYCLES",
    "Folding",
    "choose_folding",
    "default_target",
    "layer_cycles",
    "matrix_shape",
    "stream_lanes",
]

# For a vector of a dense layer, or a position of the largest convolution.
DEFAULT_TARGET_CYCLES = 64


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


def _granule(graph: Graph, name: str) -> int:
    """What the lanes of a stream must divide: a pixel's channels, or a vector."""
    value = graph.values[name]
    return value.shape[0] if has_images(graph) and len(value.shape) > 1 else value.size


def _beats(graph: Graph, node: Node, lanes: int) -> int:
    """Cycles that a node without a matrix takes for a sample: its beats, each as often as windows cover it."""
    read = [graph.values[name].size // lanes for name in node.inputs]
    windows = windows_of(graph, node)
    covered = [windows.positions * windows.taps * graph.values[node.inputs[0]].shape[0] // lanes] if windows else []
    return max([graph.values[node.name].size // (1 if isinstance(node, ArgMax) else lanes), *read, *covered])


def _factors(graph: Graph, group: Mapping[str, str]) -> Iterable[Factor]:
    """What each node costs and takes, by the lanes of the groups that it stands between."""
    for node in graph:
        own, read = group[node.name], [group[name] for name in node.inputs]
        if isinstance(node, Linear) and not is_depthwise(node):

            def found(lanes: tuple[int, ...], node: Linear = node) -> Selection:
                fold = Folding(lanes[-1], lanes[0])
                return layer_cycles(graph, node, fold), fold.cost, ((node.name, fold),)

            yield Factor((read[0], own) if read[0] != own else (own,), found)
        elif isinstance(node, Conv2d):

            def found(lanes: tuple[int, ...], node: Linear = node) -> Selection:
                fold = Folding(lanes[0], 1)
                return layer_cycles(graph, node, fold), fold.cost, ((node.name, fold),)

            yield Factor((own,), found)
        else:
            place = own if not isinstance(node, ArgMax) else read[0]
            products = 2 if isinstance(node, ScaleShift) else 0

            def plain(lanes: tuple[int, ...], node: Node = node, products: int = products) -> Selection:
                return _beats(graph, node, lanes[0]), lanes[0] * products, ()

            yield Factor((place,), plain)


def choose_folding(graph: Graph, target_cycles: int | None = None) -> dict[str, Folding]:
    """The folding of every layer that meets the target with the fewest multipliers and accumulators.

    Args:
        graph: of operators with streaming RTL.
        target_cycles: cycles between two samples that no stage may exceed, at least 1; where None, those of
            `default_target`.

    Raises:
        ExportError: the target is below one cycle, or below what the fastest folding takes.
    """
    target = default_target(graph) if target_cycles is None else target_cycles
    if target < 1:
        raise ExportError(f"A sample takes at least one cycle, but the target is {target}; ask for 1 or more.")
    group = _lane_groups(graph)
    domains: dict[str, tuple[int, ...]] = {}
    for name, home in group.items():
        common = math.gcd(*(_granule(graph, other) for other, found in group.items() if found == home))
        domains[home] = (1,) if isinstance(graph[name], ArgMax) else _divisors(common)
    factors = list(_factors(graph, group))
    best = cheapest(domains, factors, target)
    if best is None:
        fastest = {home: max(lanes) for home, lanes in domains.items()}
        slowest = max(factor.of(tuple(fastest[name] for name in factor.groups))[0] for factor in factors)
        raise ExportError(
            f"Design {graph.name!r} takes {slowest} cycles a sample with all lanes it can have, more than the "
            f"target of {target}; ask for {slowest} or more."
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


def stream_lanes(graph: Graph, folding: Mapping[str, Folding]) -> dict[str, int]:
    """Codes per beat of every node's stream.

    Raises:
        ExportError: a layer has no folding, one that does not divide its shape or does not fit the stream it reads, or
            two streams with different lanes meet.
    """
    lanes: dict[str, int] = {}
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
        if not isinstance(node, Linear | ArgMax) and _granule(graph, node.name) % lanes[node.name]:
            raise ExportError(
                f"The stream of {node.name!r} cannot have {lanes[node.name]} lanes, which do not divide its "
                f"{_granule(graph, node.name)} codes; choose another PE or SIMD for the layers beside it."
            )
    return lanes
