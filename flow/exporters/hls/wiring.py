"""How the values of a graph travel through the top: who reads whom, where a copy is needed, what the ports are."""

from __future__ import annotations

from dataclasses import dataclass, field

from flow.exporters.names import identifiers
from flow.ir import Flatten, Graph, Input, Reshape

__all__ = ["WIRES", "Array", "Wiring", "wire"]

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


def _sources(graph: Graph) -> dict[str, str]:
    """The node that computes each value: that of a wire is its input's."""
    found: dict[str, str] = {}
    for node in graph:
        found[node.name] = found[node.inputs[0]] if isinstance(node, WIRES) else node.name
    return found


def _readers(graph: Graph, sources: dict[str, str]) -> dict[str, int]:
    """How often each computed value is read, by layers and by output ports."""
    reads = [name for node in graph if not isinstance(node, WIRES) for name in node.inputs]
    counts = dict.fromkeys(sources.values(), 0)
    for name in [*reads, *graph.outputs]:
        counts[sources[name]] += 1
    return counts


class _Copies:
    """Hands every reader of a value an array of its own, because a DATAFLOW region wants one reader an array."""

    def __init__(self, design: str, wiring: Wiring) -> None:
        self._design, self._wiring = design, wiring
        self._free: dict[str, list[str]] = {}

    def define(self, name: str, size: int, readers: int) -> list[str]:
        """Declare the array of a value; returns the statements that copy it for all readers but the last."""
        self._wiring.arrays.append(Array(f"value_{name}", name, size))
        rest, calls, free = f"value_{name}", [], []
        for number in range(1, readers):
            one, other = f"copy{number}_{name}", f"rest{number}_{name}"
            self._wiring.arrays.extend(Array(array, name, size) for array in (one, other))
            calls.append(f"::flow::fork<{self._design}_types::{name}, {size}>({rest}, {one}, {other})")
            free.append(one)
            rest = other
        self._free[name] = [*free, rest]
        return calls

    def take(self, name: str) -> str:
        """The array of the next reader."""
        return self._free[name].pop(0)


def wire(graph: Graph, design: str) -> Wiring:
    """The arrays and calls of the top of `graph`, whose C++ names begin with `design`."""
    names, sources = identifiers(graph), _sources(graph)
    wiring, readers = Wiring(), _readers(graph, sources)
    copies = _Copies(design, wiring)
    for node in graph:
        name, size = names[node.name], graph.values[node.name].size
        wiring.traced.append(f"value_{names[sources[node.name]]}")
        if isinstance(node, WIRES):
            continue
        taken = [copies.take(names[sources[source]]) for source in node.inputs]
        forks = copies.define(name, size, readers[node.name])
        if isinstance(node, Input):
            wiring.calls.append(f"::flow::read_stream<{design}_types::{name}, {size}>(s_axis_{name}, value_{name})")
        else:
            wiring.calls.append(f"{design}_layers::{name}({', '.join([*taken, f'value_{name}'])})")
        wiring.calls.extend(forks)
    for output in graph.outputs:
        name, source, size = names[output], names[sources[output]], graph.values[output].size
        array = copies.take(source)
        wiring.calls.append(f"::flow::write_stream<{design}_types::{source}, {size}>({array}, m_axis_{name})")
    return wiring
