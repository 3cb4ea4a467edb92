"""What the streaming design consists of: the graph's live nodes as streams, who reads them, and where FIFOs stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flow.errors import ExportError
from flow.exporters.names import identifier, identifiers
from flow.exporters.verilog.folding import Folding, choose_folding, stream_lanes
from flow.ir import ArgMax, Dense, Flatten, Graph, Input, Node, Relu, Requantize, Value

__all__ = ["OUTSIDE", "Plan", "Stream", "make_plan"]

OUTSIDE = ""  # the reader of a stream that leaves the design
_SUPPORTED = (Input, Dense, Relu, Requantize, Flatten, ArgMax)


@dataclass(frozen=True, slots=True)
class Stream:
    """The value of one node as beats of `lanes` codes, lane 0 in the lowest bits, codes in row-major order.

    Attributes:
        node: who makes it.
        name: its identifier in the files.
        value: type of the whole sample.
        lanes: codes per beat.
        readers: names of the nodes that read it, `OUTSIDE` for the design's output.
    """

    node: Node
    name: str
    value: Value
    lanes: int
    readers: tuple[str, ...]

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
        folding: of every Dense among them.
        fifos: beats of the FIFO in front of a Dense, by the Dense's name.
    """

    graph: Graph
    design: str
    streams: dict[str, Stream]
    folding: dict[str, Folding]
    fifos: dict[str, int]

    @property
    def top(self) -> str:
        """Name of the top module."""
        return f"{self.design}_top"

    def layer_module(self, name: str) -> str:
        """Name of the module generated for the Dense `name`."""
        return f"{self.design}_layer_{self.streams[name].name}"

    def rom_module(self, name: str) -> str:
        """Name of the module that holds the weights of the Dense `name`."""
        return f"{self.design}_rom_{self.streams[name].name}"

    @property
    def outputs(self) -> tuple[str, ...]:
        """The graph's outputs."""
        return self.graph.outputs

    def axis(self, output: str) -> str:
        """Prefix of the AXI-Stream port of an output."""
        return "m_axis" if len(self.outputs) == 1 else f"m_axis_{self.streams[output].name}"


def _live(graph: Graph) -> set[str]:
    needed = set(graph.outputs) | {graph.input.name}
    for node in reversed(graph.nodes):
        if node.name in needed:
            needed.update(node.inputs)
    return needed


def _check_operators(graph: Graph, live: set[str]) -> None:
    for node in graph:
        if node.name in live and not isinstance(node, _SUPPORTED):
            place = f" (from {node.origin!r})" if node.origin else ""
            raise ExportError(
                f"Node {node.name!r}{place} is a {node.op}, whose streaming RTL is not there yet; "
                "export this design with --to hls, or take the operator out."
            )


def _fifo_depth(layer: Dense, folding: Folding) -> int:
    """A whole vector where the layer takes input in its first neuron fold only; else two beats, to cut ready's path."""
    outputs, inputs = layer.weight.shape
    return max(2, inputs // folding.simd) if outputs > folding.pe else 2


def _fifos(graph: Graph, live: set[str], folding: Mapping[str, Folding]) -> dict[str, int]:
    """One in front of every Dense that does not read the host's stream, which waits without harm."""
    direct = {graph.input.name}
    depths: dict[str, int] = {}
    for node in graph:
        if isinstance(node, Dense) and node.name in live and node.inputs[0] not in direct:
            depths[node.name] = _fifo_depth(node, folding[node.name])
        if isinstance(node, (Relu, Requantize, Flatten)) and node.inputs[0] in direct:
            direct.add(node.name)
    return depths


def make_plan(graph: Graph, folding: Mapping[str, tuple[int, int]] | None = None) -> Plan:
    """Lay out the streams of a graph.

    Args:
        graph: with one input.
        folding: (PE, SIMD) of every Dense by name; the cheapest for the default target where None.

    Raises:
        ExportError: an operator without streaming RTL, or a folding that does not fit.
    """
    live = _live(graph)
    _check_operators(graph, live)
    kept = Graph(graph.name, tuple(node for node in graph if node.name in live), graph.outputs)
    chosen = choose_folding(kept) if folding is None else {n: Folding(*pair) for n, pair in folding.items()}
    lanes, names = stream_lanes(kept, chosen), identifiers(graph)
    readers: dict[str, list[str]] = {name: [OUTSIDE] if name in graph.outputs else [] for name in lanes}
    for node in kept:
        for name in node.inputs:
            readers[name].append(node.name)
    streams = {
        node.name: Stream(node, names[node.name], kept.values[node.name], lanes[node.name], tuple(readers[node.name]))
        for node in kept
    }
    used = {node.name: chosen[node.name] for node in kept if isinstance(node, Dense)}
    return Plan(kept, identifier(graph.name), streams, used, _fifos(kept, live, used))
