"""What the streaming design consists of: the graph's live nodes as streams, who reads them, and where buffers stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from flow.exporters.lut_rows import with_rows
from flow.exporters.names import identifier, identifiers
from flow.exporters.verilog.check import check_graph
from flow.exporters.verilog.files import alive
from flow.exporters.verilog.folding import Folding, choose_folding, matrix_shape, stream_lanes
from flow.exporters.verilog.order import Order
from flow.exporters.verilog.routes import MOVING, REDUCTIONS, Layout, layout_of
from flow.exporters.verilog.walk import Walk, walk_of
from flow.exporters.verilog.windows import Windows, is_depthwise, windows_of
from flow.ir import (
    Add,
    Concat,
    Flatten,
    Graph,
    Linear,
    MatMul,
    Mul,
    Node,
    Relu,
    Requantize,
    RequantizeEach,
    RequantizeMinifloat,
    Reshape,
    ScaleShift,
    Sub,
    Table,
    Value,
)

__all__ = ["JOINS", "MEETING", "OUTSIDE", "WIRES", "Move", "Plan", "Stream", "draft_plan"]

OUTSIDE = ""  # the reader of a stream that leaves the design
JOINS = (Add, Sub, Mul)
MEETING = (*JOINS, MatMul, Concat)  # operators that read several streams
# Operators without a register: their stream moves as that of their operand does, behind the memory that moves codes.
WIRES = (Relu, Flatten, Reshape, *MOVING)
# Operators whose cell passes ready through, so that a layer that reads the host's stream through them needs no FIFO.
_OPEN = (*WIRES, Requantize, RequantizeEach, RequantizeMinifloat, ScaleShift, Table)


@dataclass(frozen=True, slots=True)
class Move:
    """A memory in which the beats of an operand change places before a node reads them.

    Attributes:
        walk: the places.
        depth: beats of the memory, a power of two.
    """

    walk: Walk
    depth: int

    @property
    def beats(self) -> int:
        """Beats out for a sample."""
        return len(self.walk.places)

    def deeper(self, level: int) -> Move:
        """With twice the least depth at level 1 and so on, but never more than could be used."""
        return replace(self, depth=min(self.walk.depth << level, max(self.walk.ample, self.walk.depth)))


@dataclass(frozen=True, slots=True)
class Stream:
    """The value of one node as beats of `lanes` codes, lane 0 in the lowest bits.

    Attributes:
        node: who makes it.
        name: its identifier in the files.
        value: type of the whole sample.
        lanes: codes per beat.
        readers: names of the nodes that read it, one entry a read, `OUTSIDE` for the design's output.
        order: of the codes.
    """

    node: Node
    name: str
    value: Value
    lanes: int
    readers: tuple[str, ...]
    order: Order

    @property
    def width(self) -> int:
        """Bits per beat."""
        return self.lanes * self.value.format.width

    @property
    def beats(self) -> int:
        """Beats per sample."""
        return self.value.size // self.lanes


@dataclass(frozen=True, slots=True)
class Plan:
    """A streaming design.

    Attributes:
        graph: what it computes.
        design: identifier of the design, prefix of every generated module.
        streams: one for every node that an output depends on, in graph order, by node name.
        folding: of every Dense and Conv2d among them.
        fifos: beats of the FIFO between a node and one of its operands, by the node's name and the operand's number.
        rings: beats of the memory in which a window slides, by the name of the node that reads the windows.
        moves: the memory between a node and one of its operands, by the node's name and the operand's number.
    """

    graph: Graph
    design: str
    streams: dict[str, Stream]
    folding: dict[str, Folding]
    fifos: dict[tuple[str, int], int]
    rings: dict[str, int]
    moves: dict[tuple[str, int], Move]

    @property
    def top(self) -> str:
        """Name of the top module."""
        return f"{self.design}_top"

    def layer_module(self, name: str) -> str:
        """Name of the module generated for the node `name`."""
        return f"{self.design}_layer_{self.streams[name].name}"

    def rom_module(self, name: str) -> str:
        """Name of the module that holds the constants of the node `name`."""
        return f"{self.design}_rom_{self.streams[name].name}"

    def move_module(self, name: str, number: int) -> str:
        """Name of the module that moves the beats of an operand of the node `name`."""
        return f"{self.design}_move_{self.streams[name].name}{self.side(name, number)}"

    def side(self, name: str, number: int) -> str:
        """What names of an operand's parts end with: nothing where there is only one."""
        node = self.streams[name].node
        if isinstance(node, (*JOINS, MatMul)):
            return f"_{'ab'[number]}"
        return f"_{number}" if isinstance(node, Concat) else ""

    @property
    def outputs(self) -> tuple[str, ...]:
        """The graph's outputs."""
        return self.graph.outputs

    def axis(self, output: str) -> str:
        """Prefix of the AXI-Stream port of an output."""
        return "m_axis" if len(self.outputs) == 1 else f"m_axis_{self.streams[output].name}"

    def operand(self, name: str, number: int = 0) -> Stream:
        """The stream that a node reads."""
        return self.streams[self.streams[name].node.inputs[number]]

    def way(self, name: str, number: int = 0) -> int:
        """Which way of its operand's fork a node reads; a node that reads a stream twice has two."""
        node = self.streams[name].node
        twice = node.inputs[:number].count(node.inputs[number])
        readers = self.operand(name, number).readers
        return [way for way, reader in enumerate(readers) if reader == name][twice]

    def windows(self, name: str) -> Windows | None:
        """The windows that a node reads through a ring; None for every other node."""
        return windows_of(self.graph, self.graph[name]) if name in self.rings else None

    def pixel_beats(self, name: str) -> int:
        """Beats of a pixel of a node's operand."""
        stream = self.operand(name)
        return stream.value.shape[0] // stream.lanes

    def window_groups(self, name: str) -> int:
        """Groups of a pixel's beats that a window goes through one after the other: all for pools and depthwise."""
        node = self.graph[name]
        return 1 if isinstance(node, Linear) and not is_depthwise(node) else self.pixel_beats(name)

    def vector_beats(self, name: str) -> int:
        """Beats that a layer, or the pool of a window, takes for one round."""
        node = self.graph[name]
        windows = windows_of(self.graph, node)
        if isinstance(node, Linear) and not is_depthwise(node):
            return matrix_shape(node)[1] // self.folding[name].simd
        if isinstance(node, REDUCTIONS):
            return self.graph.operands(node)[0].shape[node.axis]
        if isinstance(node, MatMul):
            return self.graph.operands(node)[0].shape[-1]
        return windows.taps if windows else self.operand(name).beats

    def neuron_folds(self, name: str) -> int:
        """Results beats of a layer from one vector."""
        node = self.graph[name]
        if isinstance(node, Linear) and not is_depthwise(node):
            return node.weight.shape[0] // self.folding[name].pe
        return 1

    def moved(self, level: int) -> Plan:
        """The plan with deeper memories where beats change places; level 0 for the least."""
        return replace(self, moves={place: move.deeper(level) for place, move in self.moves.items()})

    def buffered(self, level: int) -> Plan:
        """The plan with rings for its windows.

        Args:
            level: 0 for what the next window needs, 1 for the new rows of the next row of windows but one, 2 and above
                for all new rows of as many rows of windows, less one.
        """
        rings = {}
        for node in self.graph:
            windows = windows_of(self.graph, node)
            if windows and not windows.is_pixelwise:
                rows = (0, windows.stride[0] - 1)[level] if level < 2 else (level - 1) * windows.stride[0]
                rings[node.name] = windows.pixels(rows) * self.pixel_beats(node.name)
        return replace(self, rings=rings)


def _fifos(plan: Plan) -> dict[tuple[str, int], int]:
    """One in front of every layer without a window that does not read the host's stream, which waits without harm.

    A whole vector where the layer takes input in its first neuron fold only; else two beats, to cut ready's path.
    """
    direct = {plan.graph.input.name}
    depths: dict[tuple[str, int], int] = {}
    for node in plan.graph:
        if isinstance(node, Linear) and node.name not in plan.rings and node.inputs[0] not in direct:
            beats = plan.vector_beats(node.name) if plan.neuron_folds(node.name) > 1 else 2
            depths[node.name, 0] = max(2, beats)
        if isinstance(node, _OPEN) and node.inputs[0] in direct:
            direct.add(node.name)
    return depths


def _moves(layout: Layout, streams: Mapping[str, Stream]) -> dict[tuple[str, int], Move]:
    """A memory of the least depth for every route."""
    found = {}
    for (name, number), route in layout.routes.items():
        source = streams[streams[name].node.inputs[number]]
        beats = route.beats(source.lanes)
        if beats is None:
            raise TypeError(f"no lanes of {source.node.name!r} for {name!r}")  # stream_lanes refuses them
        walk = walk_of(beats, source.beats)
        found[name, number] = Move(walk, walk.depth)
    return found


def draft_plan(graph: Graph, folding: Mapping[str, tuple[int, int]] | None = None) -> Plan:
    """Lay out the streams of a graph; joins have no FIFOs yet, and windows the smallest rings that never idle.

    Args:
        graph: with one input.
        folding: (PE, SIMD) of every Dense and Conv2d by name; the cheapest for the default target where None.

    Raises:
        ExportError: an operator without streaming RTL, or a folding that does not fit.
    """
    kept = alive(with_rows(graph))
    check_graph(kept)
    layout = layout_of(kept)
    chosen = choose_folding(kept) if folding is None else {n: Folding(*pair) for n, pair in folding.items()}
    lanes, names = stream_lanes(kept, chosen, layout), identifiers(kept)
    readers: dict[str, list[str]] = {name: [OUTSIDE] if name in graph.outputs else [] for name in lanes}
    for node in kept:
        for name in node.inputs:
            readers[name].append(node.name)
    streams = {
        node.name: Stream(
            node, names[node.name], kept.values[node.name], lanes[node.name], tuple(readers[node.name]),
            layout.orders[node.name],
        )
        for node in kept
    }  # fmt: skip
    used = {node.name: chosen[node.name] for node in kept if isinstance(node, Linear)}
    moves = _moves(layout, streams)
    plan = Plan(kept, identifier(graph.name), streams, used, {}, {}, moves).buffered(0)
    return replace(plan, fifos=_fifos(plan))
