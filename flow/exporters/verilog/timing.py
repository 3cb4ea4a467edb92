"""When every beat of a sample moves, as the cells of `rtl/` do it; a test holds this equal to the simulated clock.

All times count clock edges from the one that takes the first beat of the sample at the design's input, with a host
that always has the next beat and always takes a result.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from flow.errors import ExportError
from flow.exporters.verilog.folding import layer_cycles, row_cycles
from flow.exporters.verilog.network import Network, make_network
from flow.exporters.verilog.plan import MEETING, Plan
from flow.exporters.verilog.processes import Times
from flow.exporters.verilog.settle import go_on, period_of, run
from flow.ir import Linear, Softmax

__all__ = ["Timing", "balanced", "predict", "stage_cycles"]

# Samples after which designs have settled into their interval, and after which most of them have.
_SAMPLES, _FEW = 5, 3


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


def _least(pushed: Times, popped: Times) -> int:
    """The least beats of a FIFO that never holds up its sender."""
    out = np.searchsorted(popped, pushed, side="left")
    return max(2, int((np.arange(len(pushed)) - out).max()) + 1)


def balanced(plan: Plan) -> tuple[Plan, Timing]:
    """The plan with the least FIFOs of every join with which none of them ever holds up the stream that forks, and its
    timing.

    They are as deep as what a branch without bounds holds at most while the other branch fills, so that every beat
    moves when it would without bounds.
    """
    joins = [(node.name, n) for node in plan.graph if isinstance(node, MEETING) for n in range(len(node.inputs))]
    network = _settled(replace(plan, fifos={**plan.fifos, **dict.fromkeys(joins, 0)}))
    depths = {place: _least(*(channel.moved for channel in network.queues[place])) for place in joins}
    return replace(plan, fifos={**plan.fifos, **depths}), _timing(network)


def stage_cycles(plan: Plan, name: str) -> int:
    """Cycles a sample occupies the stage that makes stream `name`."""
    stream = plan.streams[name]
    moved = [move.beats for (reader, _), move in plan.moves.items() if reader == name]
    windows = plan.windows(name)
    if isinstance(stream.node, Softmax):
        x = plan.operand(name).value
        return max([x.size // stream.node.length(x) * row_cycles(stream.node, x), *moved])
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
    return _timing(_settled(plan))


def _settled(plan: Plan) -> Network:
    """A few samples first: where these have found their rhythm, one more says whether they keep it."""
    few = make_network(plan, _FEW)
    if run(few.processes):
        period = period_of(few.processes, _FEW)
        network = make_network(plan, _SAMPLES if period is None else _FEW + 1)
        go_on(network.processes, few.processes, _FEW, period)
        if run(network.processes):
            return network
    raise ExportError(f"Design {plan.graph.name!r} would stop for lack of buffers; plan it with make_plan.")


def _timing(network: Network) -> Timing:
    plan = network.plan
    moved = {name: network.made[name].moved.tolist() for name in plan.streams}
    left = {name: port.moved.tolist() for name, port in network.ports.items()}
    ends = [beats[plan.streams[name].beats - 1 :: plan.streams[name].beats] for name, beats in left.items()]
    return Timing(
        max(times[-1] - times[-2] for times in ends), max(times[0] for times in ends),
        {name: stage_cycles(plan, name) for name in plan.streams}, moved, left,
    )  # fmt: skip
