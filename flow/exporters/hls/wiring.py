"""How the values of a graph travel through the top: who reads whom, where a copy is needed, what the ports are."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from flow.exporters.names import identifiers
from flow.ir import Flatten, Graph, Input, Reshape

__all__ = ["WIRES", "Array", "Wiring", "fan_out", "readers_of", "sources_of", "wire"]

WIRES = (Flatten, Reshape)  # the same codes under another shape: the array of the input


@dataclass(frozen=True, slots=True)
class Array:
    """An array of the top: `name` holds `size` codes of the type of node `type`."""

    name: str
    type: str
    size: int


@dataclass(frozen=True, slots=True)
class Wiring:
    """The body of the top.

    Attributes:
        arrays: every array, in order of use.
        calls: statements in order, without the semicolon.
        traced: the array that holds each node's value, in node order.
    """

    arrays: list[Array] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    traced: list[str] = field(default_factory=list)


def sources_of(graph: Graph, wires: Collection[str]) -> dict[str, str]:
    """The node that computes each value: that of one of `wires` is its input's."""
    found: dict[str, str] = {}
    for node in graph:
        found[node.name] = found[node.inputs[0]] if node.name in wires else node.name
    return found


def readers_of(graph: Graph, sources: Mapping[str, str]) -> dict[str, int]:
    """How often each computed value is read, by layers and by output ports."""
    reads = [name for node in graph if sources[node.name] == node.name for name in node.inputs]
    counts = dict.fromkeys(sources.values(), 0)
    for name in [*reads, *graph.outputs]:
        counts[sources[name]] += 1
    return counts


def fan_out(name: str, readers: int) -> tuple[list[tuple[str, str, str]], list[str]]:
    """The forks that give every reader of a value one of its own, and what the readers get, in order.

    >>> fan_out("x", 3)
    ([('value_x', 'copy1_x', 'rest1_x'), ('rest1_x', 'copy2_x', 'rest2_x')], ['copy1_x', 'copy2_x', 'rest2_x'])
    """
    rest, forks = f"value_{name}", []
    for number in range(1, readers):
        forks.append((rest, f"copy{number}_{name}", f"rest{number}_{name}"))
        rest = f"rest{number}_{name}"
    return forks, [*(one for _, one, _ in forks), rest]


def wire(graph: Graph, design: str) -> Wiring:
    """The arrays and calls of the top of `graph`, whose C++ names begin with `design`."""
    wires = {node.name for node in graph if isinstance(node, WIRES)}
    names, sources = identifiers(graph), sources_of(graph, wires)
    wiring, readers = Wiring(), readers_of(graph, sources)
    free: dict[str, list[str]] = {}
    for node in graph:
        name, size = names[node.name], graph.values[node.name].size
        wiring.traced.append(f"value_{names[sources[node.name]]}")
        if node.name in wires:
            continue
        taken = [free[sources[source]].pop(0) for source in node.inputs]
        forks, free[node.name] = fan_out(name, readers[node.name])
        made = [f"value_{name}", *(array for _, *copies in forks for array in copies)]
        wiring.arrays.extend(Array(array, name, size) for array in made)
        if isinstance(node, Input):
            wiring.calls.append(f"::flow::read_stream<{design}_types::{name}, {size}>(s_axis_{name}, value_{name})")
        else:
            wiring.calls.append(f"{design}_layers::{name}({', '.join([*taken, f'value_{name}'])})")
        wiring.calls.extend(f"::flow::fork<{design}_types::{name}, {size}>({', '.join(fork)})" for fork in forks)
    for output in graph.outputs:
        name, source, size = names[output], sources[output], graph.values[output].size
        array = free[source].pop(0)
        wiring.calls.append(f"::flow::write_stream<{design}_types::{names[source]}, {size}>({array}, m_axis_{name})")
    return wiring
