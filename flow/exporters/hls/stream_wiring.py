"""How the values of a graph travel through the top of the streaming form: FIFOs with depths that cannot deadlock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import repeat

from flow.exporters.hls.depths import LEAST, Process, fifo_depths
from flow.exporters.hls.layers import Design
from flow.exporters.hls.streaming import layout
from flow.exporters.hls.wiring import WIRES, fan_out, readers_of, sources_of
from flow.ir import Graph, Input

__all__ = ["SLACK", "Stream", "StreamWiring", "same_beats", "wire_streams"]

# Beats that a FIFO beside a longer branch gets on top: while a beat is inside the branch's pipelines, others go on.
SLACK = 16


@dataclass(frozen=True, slots=True)
class Stream:
    """A FIFO of the top: beats of the value of node `type`, as many as `depth`."""

    name: str
    type: str
    depth: int


@dataclass(frozen=True, slots=True)
class StreamWiring:
    """The body of the top.

    Attributes:
        streams: every FIFO, in order of use.
        calls: statements in order, without the semicolon.
        traced: for each node in order the stream that carries its value, and the identifier of who computes it.
    """

    streams: list[Stream]
    calls: list[str]
    traced: list[tuple[str, str]]


def same_beats(graph: Graph) -> set[str]:
    """The nodes of `WIRES` whose beats are those of their input."""
    return {
        node.name
        for node in graph
        if isinstance(node, WIRES) and layout(graph.values[node.name]) == layout(graph.values[node.inputs[0]])
    }


@dataclass(slots=True)
class _Builder:
    """Collects FIFOs by name, statements, and the processes behind them."""

    types: dict[str, str] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    processes: list[Process] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)

    def fifo(self, name: str, of: str) -> None:
        self.types[name], self.numbers[name] = of, len(self.numbers)

    def add(self, text: str, reads: Iterable[str], writes: Iterable[str], schedule: Iterable[int]) -> None:
        self.calls.append(text)
        numbered = [tuple(self.numbers[name] for name in names) for names in (reads, writes)]
        self.processes.append(Process(text, numbered[0], numbered[1], schedule))

    def wiring(self, traced: list[tuple[str, str]]) -> StreamWiring:
        least = fifo_depths(self.processes, len(self.numbers))
        depths = [depth if depth == LEAST else depth + SLACK for depth in least]
        streams = [Stream(name, of, depths[self.numbers[name]]) for name, of in self.types.items()]
        return StreamWiring(streams, self.calls, traced)


def _beat_arguments(design: Design, source: str) -> str:
    """Template arguments of flow_lanes.h for the value of a node."""
    shape = layout(design.graph.values[source])
    return f"<{design.type_of(source)}, {shape.lanes}, {shape.beats}>"


def _define(built: _Builder, design: Design, node: str, readers: int) -> list[str]:
    """The forks of a value, or its drain where nobody reads it; returns what its readers get."""
    name, beats = design.names[node], layout(design.graph.values[node]).beats
    forks, ends = fan_out(name, readers)
    for fork, one, other in forks:
        built.fifo(one, name)
        built.fifo(other, name)
        text = f"::flow::fork_beats{_beat_arguments(design, node)}({fork}, {one}, {other})"
        built.add(text, [fork], [one, other], _fork(beats))
    if not readers:
        text = f"::flow::drain_beats{_beat_arguments(design, node)}(value_{name})"
        built.add(text, [f"value_{name}"], [], repeat(0, beats))
    return ends


def _fork(beats: int) -> Iterable[int]:
    return (step for _ in range(beats) for step in (0, -1, -2))


def wire_streams(design: Design, schedules: Mapping[str, Iterable[int]]) -> StreamWiring:
    """The FIFOs and calls of the top.

    Args:
        design: whose graph it is.
        schedules: of every layer by its node's name, see `Process`.
    """
    graph, names, wires = design.graph, design.names, same_beats(design.graph)
    sources = sources_of(graph, wires)
    built, readers = _Builder(), readers_of(graph, sources)
    free: dict[str, list[str]] = {}
    traced = []
    for node in graph:
        traced.append((f"value_{names[sources[node.name]]}", sources[node.name]))
        if node.name in wires:
            continue
        name = names[node.name]
        taken = [free[sources[source]].pop(0) for source in node.inputs]
        built.fifo(f"value_{name}", name)
        if isinstance(node, Input):
            text = f"::flow::read_beats{_beat_arguments(design, node.name)}(s_axis_{name}, value_{name})"
            built.add(text, [], [f"value_{name}"], repeat(-1, layout(graph.values[node.name]).beats))
        else:
            text = f"{design.name}_layers::{name}({', '.join([*taken, f'value_{name}'])})"
            built.add(text, taken, [f"value_{name}"], schedules[node.name])
        free[node.name] = _define(built, design, node.name, readers[node.name])
    for output in graph.outputs:
        source = sources[output]
        end = free[source].pop(0)
        text = f"::flow::write_beats{_beat_arguments(design, source)}({end}, m_axis_{names[output]})"
        built.add(text, [end], [], repeat(0, layout(graph.values[output]).beats))
    return built.wiring(traced)
