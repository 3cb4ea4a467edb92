"""When every beat of a sample moves, as the cells of `rtl/` do it; a test holds this equal to the simulated clock.

All times count clock edges from the one that takes the first beat of the sample at the design's input, with a host
that always has the next beat and always takes a result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from flow.errors import ExportError
from flow.exporters.verilog.folding import layer_cycles
from flow.exporters.verilog.plan import JOINS, MEETING, OUTSIDE, WIRES, Plan, Stream
from flow.exporters.verilog.processes import (
    Channel,
    Process,
    fifo,
    fork,
    gather,
    host,
    join,
    matrix,
    register,
    run,
    select,
    sink,
    window,
)
from flow.exporters.verilog.routes import REDUCTIONS, period_of, turns_of
from flow.exporters.verilog.walk import ZERO
from flow.ir import (
    ArgMax,
    AvgPool2d,
    Concat,
    Conv2d,
    Dense,
    Linear,
    Lookup,
    MatMul,
    MaxPool2d,
    Node,
    Requantize,
    RequantizeEach,
    RequantizeMinifloat,
    ScaleShift,
    Table,
)

__all__ = ["Timing", "join_depths", "predict", "stage_cycles", "turn_beats"]

# Samples after which designs have settled into their interval.
_SAMPLES = 5
_SKID_DEPTH = 2


@dataclass(frozen=True, slots=True)
class Timing:
    """Predicted clock cycles.

    Attributes:
        ii_cycles: between two samples in steady state.
        latency_cycles: from the first beat in to the last out, of one sample in an idle design.
        stages: cycles per sample that every stream's stage takes on its own, by node name.
        moved: when every beat of the first samples moves, by node name.
        left: when every beat of the first samples leaves the design, by output.
    """

    ii_cycles: int
    latency_cycles: int
    stages: dict[str, int]
    moved: dict[str, list[int]]
    left: dict[str, list[int]]


@dataclass(slots=True)
class _Network:
    """A design as processes.

    Attributes:
        plan: of the design.
        made: the channel of every stream.
        ways: those of its readers.
        queues: both sides of every FIFO of a join.
        ports: the channel of every output.
        processes: with the channels that they use.
    """

    plan: Plan
    made: dict[str, Channel] = field(default_factory=dict)
    ways: dict[str, list[Channel]] = field(default_factory=dict)
    queues: dict[tuple[str, int], tuple[Channel, Channel]] = field(default_factory=dict)
    ports: dict[str, Channel] = field(default_factory=dict)
    processes: list[tuple[Process, Sequence[Channel]]] = field(default_factory=list)

    def add(self, process: Process, *channels: Channel) -> None:
        """One more process."""
        self.processes.append((process, channels))

    def operand(self, name: str, number: int = 0) -> Channel:
        """What a node reads, behind its FIFO and the memory that moves its beats where there are such."""
        node, depth = self.plan.streams[name].node, self.plan.fifos.get((name, number))
        source = self.ways[node.inputs[number]][self.plan.way(name, number)]
        if depth is not None:
            behind = Channel()
            self.add(fifo(source, behind, depth), source, behind)
            self.queues[name, number] = source, behind
            source = behind
        return self._moved(source, name, number)

    def _moved(self, source: Channel, name: str, number: int) -> Channel:
        """What a node reads behind the memory in which its operand's beats change places."""
        move = self.plan.moves.get((name, number))
        if move is None:
            return source
        out, walk = Channel(), move.walk
        reads = [0 if place == ZERO else place for place in walk.places]
        ends = [(round_ * walk.rounds, freed) for round_, freed in enumerate(walk.freed, start=1)]
        for process in window(source, out, move.depth, reads, ends, walk.beats):
            self.add(process, source, out)
        return out

    def windowed(self, name: str) -> Channel:
        """What a node reads, as windows where it slides."""
        source, windows = self.operand(name), self.plan.windows(name)
        if windows is None:
            return source
        out, pixel, groups = Channel(), self.plan.pixel_beats(name), self.plan.window_groups(name)
        group = pixel // groups
        reads = [
            place * pixel + (beat if inside else 0)
            for taps in windows.reads()
            for first in range(0, pixel, group)
            for place, inside in taps
            for beat in range(first, first + group)
        ]
        released = windows.releases()
        ends = [((i + 1) * windows.taps * pixel, pixels * pixel) for i, pixels in enumerate(released)]
        beats = windows.size[0] * windows.size[1] * pixel
        for process in window(source, out, self.plan.rings[name], reads, ends, beats):
            self.add(process, source, out)
        return out


def _wire(network: _Network, stream: Stream) -> None:
    network.made[stream.node.name] = network.operand(stream.node.name)


def _register(network: _Network, stream: Stream) -> None:
    source, out = network.operand(stream.node.name), network.made[stream.node.name]
    network.add(register(source, out), source, out)


def _join(network: _Network, stream: Stream) -> None:
    a, b = (network.operand(stream.node.name, number) for number in (0, 1))
    out = network.made[stream.node.name]
    network.add(join(a, b, out), a, b, out)


def _products(network: _Network, stream: Stream) -> None:
    name, products = stream.node.name, Channel()
    a, b = (network.operand(name, number) for number in (0, 1))
    out = network.made[name]
    network.add(join(a, b, products), a, b, products)
    network.add(gather(products, out, network.plan.vector_beats(name)), products, out)


def turn_beats(plan: Plan, name: str) -> list[int]:
    """The number of the part that each beat of a joined stream comes from, until they repeat."""
    stream = plan.streams[name]
    if not isinstance(stream.node, Concat):
        raise TypeError(stream.node)
    turns: list[int] = period_of(turns_of(plan.graph, stream.node, stream.order)[:: stream.lanes]).tolist()
    return turns


def _select(network: _Network, stream: Stream) -> None:
    name, out = stream.node.name, network.made[stream.node.name]
    parts = [network.operand(name, number) for number in range(len(stream.node.inputs))]
    network.add(select(parts, out, turn_beats(network.plan, name)), *parts, out)


def _gather(network: _Network, stream: Stream) -> None:
    name = stream.node.name
    source, out = network.windowed(name), network.made[name]
    network.add(gather(source, out, network.plan.vector_beats(name)), source, out)


def _matrix(network: _Network, stream: Stream) -> None:
    name, plan = stream.node.name, network.plan
    source, out = network.windowed(name), network.made[name]
    network.add(matrix(source, out, plan.vector_beats(name), plan.neuron_folds(name)), source, out)


_CASES: dict[type[Node], Callable[[_Network, Stream], None]] = {
    Dense: _matrix,
    Conv2d: _matrix,
    Requantize: _register,
    RequantizeEach: _register,
    RequantizeMinifloat: _register,
    ScaleShift: _register,
    Table: _register,
    Lookup: _register,
    MatMul: _products,
    MaxPool2d: _gather,
    AvgPool2d: _gather,
    ArgMax: _gather,
    Concat: _select,
    **dict.fromkeys(REDUCTIONS, _gather),
    **dict.fromkeys(WIRES, _wire),
    **dict.fromkeys(JOINS, _join),
}


def _network(plan: Plan, samples: int) -> _Network:
    network = _Network(plan)
    for name, stream in plan.streams.items():
        network.made[name] = Channel()
        if stream.node.inputs:
            _CASES[type(stream.node)](network, stream)
        else:
            sent, out = Channel(), network.made[name]
            network.add(host(sent, samples * stream.beats), sent)
            network.add(fifo(sent, out, _SKID_DEPTH), sent, out)
        made = network.made[name]
        network.ways[name] = [made] if len(stream.readers) == 1 else [Channel() for _ in stream.readers]
        if len(stream.readers) > 1:
            network.add(fork(made, network.ways[name]), made, *network.ways[name])
        if OUTSIDE in stream.readers:
            source, port = network.ways[name][stream.readers.index(OUTSIDE)], Channel()
            network.ports[name] = port
            network.add(fifo(source, port, _SKID_DEPTH), source, port)
            network.add(sink(port, samples * stream.beats), port)
        elif not stream.readers:  # the input of a design whose outputs do not need it
            network.ways[name] = [made]
            network.add(sink(made, samples * stream.beats), made)
    run(network.processes)
    return network


def _finished(network: _Network, samples: int) -> bool:
    plan = network.plan
    return all(len(port.moved) == samples * plan.streams[name].beats for name, port in network.ports.items())


def join_depths(plan: Plan) -> dict[tuple[str, int], int]:
    """The least beats of the FIFOs of every join with which none of them ever holds up the stream that forks.

    What a branch without bounds holds at most while the other branch fills.
    """
    joins = [(node.name, n) for node in plan.graph if isinstance(node, MEETING) for n in range(len(node.inputs))]
    unbounded = replace(plan, fifos={**plan.fifos, **dict.fromkeys(joins, 0)})
    queues = _network(unbounded, _SAMPLES).queues if joins else {}
    depths = {}
    for place in joins:
        pushed, popped = (np.array(channel.moved, dtype=np.int64) for channel in queues[place])
        out = np.searchsorted(popped, pushed, side="left")
        depths[place] = max(2, int((np.arange(len(pushed)) - out).max(initial=0)) + 1)
    return depths


def stage_cycles(plan: Plan, name: str) -> int:
    """Cycles a sample occupies the stage that makes stream `name`."""
    stream = plan.streams[name]
    moved = [move.beats for (reader, _), move in plan.moves.items() if reader == name]
    windows = plan.windows(name)
    if isinstance(stream.node, Linear):
        return max([layer_cycles(plan.graph, stream.node, plan.folding[name]), *moved])
    if windows:
        return max([windows.positions * windows.taps * plan.pixel_beats(name), *moved])
    return max([stream.beats, *(plan.streams[source].beats for source in stream.node.inputs), *moved])


def predict(plan: Plan) -> Timing:
    """The timing of a design.

    Raises:
        ExportError: its buffers are so small that it stops; no plan of `make_plan` does.
    """
    network = _network(plan, _SAMPLES)
    if not _finished(network, _SAMPLES):
        raise ExportError(f"Design {plan.graph.name!r} would stop for lack of buffers; plan it with make_plan.")
    moved = {name: network.made[name].moved for name in plan.streams}
    left = {name: port.moved for name, port in network.ports.items()}
    ends = [beats[plan.streams[name].beats - 1 :: plan.streams[name].beats] for name, beats in left.items()]
    return Timing(
        max(times[-1] - times[-2] for times in ends), max(times[0] for times in ends),
        {name: stage_cycles(plan, name) for name in plan.streams}, moved, left,
    )  # fmt: skip
