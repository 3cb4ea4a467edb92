"""A streaming design as the processes of its cells and the channels between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np

from flow.exporters.verilog.matrix_process import matrix
from flow.exporters.verilog.plan import JOINS, OUTSIDE, WIRES, Plan, Stream
from flow.exporters.verilog.processes import (
    Channel,
    Process,
    Times,
    fifo,
    fork,
    gather,
    host,
    join,
    register,
    select,
    sink,
    twice,
    window,
)
from flow.exporters.verilog.routes import REDUCTIONS, period_of, turns_of
from flow.exporters.verilog.walk import ZERO
from flow.exporters.verilog.windows import Windows
from flow.ir import (
    ArgMax,
    AvgPool2d,
    Concat,
    Conv2d,
    Dense,
    Lookup,
    MatMul,
    MaxPool2d,
    Node,
    Requantize,
    RequantizeEach,
    RequantizeMinifloat,
    ScaleShift,
    Softmax,
    Table,
)

__all__ = ["Network", "make_network", "turn_beats"]

_SKID_DEPTH = 2
_DIVISION = 4  # edges of a softmax from the last code to the first power read again, beside a bit of a mantissa each


@dataclass(slots=True)
class Network:
    """A design as processes.

    Attributes:
        plan: of the design.
        samples: that go through it.
        made: the channel of every stream.
        ways: those of its readers.
        queues: both sides of every FIFO of a join.
        ports: the channel of every output.
        processes: senders before receivers.
    """

    plan: Plan
    samples: int
    made: dict[str, Channel] = field(default_factory=dict)
    ways: dict[str, list[Channel]] = field(default_factory=dict)
    queues: dict[tuple[str, int], tuple[Channel, Channel]] = field(default_factory=dict)
    ports: dict[str, Channel] = field(default_factory=dict)
    processes: list[Process] = field(default_factory=list)

    def add(self, *processes: Process) -> None:
        """More processes."""
        self.processes.extend(processes)

    def operand(self, name: str, number: int = 0) -> Channel:
        """What a node reads, behind its FIFO and the memory that moves its beats where there are such."""
        node, depth = self.plan.streams[name].node, self.plan.fifos.get((name, number))
        source = self.ways[node.inputs[number]][self.plan.way(name, number)]
        if depth is not None:
            behind = Channel(len(source.moved))
            self.add(fifo(source, behind, depth))
            self.queues[name, number] = source, behind
            source = behind
        return self._moved(source, name, number)

    def _moved(self, source: Channel, name: str, number: int) -> Channel:
        """What a node reads behind the memory in which its operand's beats change places."""
        move = self.plan.moves.get((name, number))
        if move is None:
            return source
        out, walk = Channel(self.samples * move.beats), move.walk
        reads = np.array(walk.places, dtype=np.int64)
        reads[reads == ZERO] = 0
        ends = [(round_ * walk.rounds, freed) for round_, freed in enumerate(walk.freed, start=1)]
        self.add(*window(source, out, move.depth, reads, ends, walk.beats))
        return out

    def windowed(self, name: str) -> Channel:
        """What a node reads, as windows where it slides."""
        source, windows = self.operand(name), self.plan.windows(name)
        if windows is None:
            return source
        pixel = self.plan.pixel_beats(name)
        reads, ends = _window_beats(windows, pixel, self.plan.window_groups(name))
        out = Channel(self.samples * len(reads))
        self.add(*window(source, out, self.plan.rings[name], reads, ends, windows.size[0] * windows.size[1] * pixel))
        return out


@lru_cache(maxsize=256)
def _window_beats(windows: Windows, pixel: int, groups: int) -> tuple[Times, list[tuple[int, int]]]:
    """Of an image whose pixels have `pixel` beats: the beat that each beat of the windows waits for, and after how many
    beats of the windows how many of the image are released.
    """
    taps = np.array(windows.reads(), dtype=np.int64)  # [positions, taps, (pixel, whether inside)]
    beats = np.arange(pixel, dtype=np.int64).reshape(groups, 1, -1)
    reads = (taps[:, None, :, :1] * pixel + taps[:, None, :, 1:] * beats).reshape(-1)
    ends = [((i + 1) * windows.taps * pixel, pixels * pixel) for i, pixels in enumerate(windows.releases())]
    return reads, ends


def _wire(network: Network, stream: Stream) -> None:
    network.made[stream.node.name] = network.operand(stream.node.name)


def _register(network: Network, stream: Stream) -> None:
    source, out = network.operand(stream.node.name), network.made[stream.node.name]
    network.add(register(source, out))


def _join(network: Network, stream: Stream) -> None:
    a, b = (network.operand(stream.node.name, number) for number in (0, 1))
    out = network.made[stream.node.name]
    network.add(join(a, b, out))


def _products(network: Network, stream: Stream) -> None:
    name = stream.node.name
    a, b = (network.operand(name, number) for number in (0, 1))
    products, out = Channel(len(a.moved)), network.made[name]
    network.add(join(a, b, products), gather(products, out, network.plan.vector_beats(name)))


def turn_beats(plan: Plan, name: str) -> list[int]:
    """The number of the part that each beat of a joined stream comes from, until they repeat."""
    stream = plan.streams[name]
    if not isinstance(stream.node, Concat):
        raise TypeError(stream.node)
    turns: list[int] = period_of(turns_of(plan.graph, stream.node, stream.order)[:: stream.lanes]).tolist()
    return turns


def _select(network: Network, stream: Stream) -> None:
    name, out = stream.node.name, network.made[stream.node.name]
    parts = [network.operand(name, number) for number in range(len(stream.node.inputs))]
    network.add(select(parts, out, turn_beats(network.plan, name)))


def _gather(network: Network, stream: Stream) -> None:
    name = stream.node.name
    source, out = network.windowed(name), network.made[name]
    network.add(gather(source, out, network.plan.vector_beats(name)))


def _matrix(network: Network, stream: Stream) -> None:
    name, plan = stream.node.name, network.plan
    source, out = network.windowed(name), network.made[name]
    network.add(matrix(source, out, plan.vector_beats(name), plan.neuron_folds(name)))


def _softmax(network: Network, stream: Stream) -> None:
    name, node = stream.node.name, stream.node
    if not isinstance(node, Softmax):
        raise TypeError(node)
    source, out = network.operand(name), network.made[name]
    count = node.length(network.plan.operand(name).value)
    network.add(twice(source, out, count, node.mantissa + _DIVISION))


_CASES: dict[type[Node], Callable[[Network, Stream], None]] = {
    Dense: _matrix,
    Conv2d: _matrix,
    Requantize: _register,
    RequantizeEach: _register,
    RequantizeMinifloat: _register,
    ScaleShift: _register,
    Table: _register,
    Lookup: _register,
    MatMul: _products,
    Softmax: _softmax,
    MaxPool2d: _gather,
    AvgPool2d: _gather,
    ArgMax: _gather,
    Concat: _select,
    **dict.fromkeys(REDUCTIONS, _gather),
    **dict.fromkeys(WIRES, _wire),
    **dict.fromkeys(JOINS, _join),
}


def make_network(plan: Plan, samples: int) -> Network:
    """The processes of a plan, and what goes between them."""
    network = Network(plan, samples)
    for name, stream in plan.streams.items():
        beats = samples * stream.beats
        network.made[name] = made = Channel(beats)
        if stream.node.inputs:
            _CASES[type(stream.node)](network, stream)
            made = network.made[name]
        else:
            sent = Channel(beats)
            network.add(host(sent), fifo(sent, made, _SKID_DEPTH))
        network.ways[name] = ways = [made] if len(stream.readers) == 1 else [Channel(beats) for _ in stream.readers]
        if len(ways) > 1:
            network.add(fork(made, ways))
        if OUTSIDE in stream.readers:
            network.ports[name] = port = Channel(beats)
            network.add(fifo(ways[stream.readers.index(OUTSIDE)], port, _SKID_DEPTH), sink(port))
        elif not ways:  # the input of a design whose outputs do not need it
            network.add(sink(made))
    return network
