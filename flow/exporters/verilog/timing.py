"""When every beat of a sample moves, as the cells of `rtl/` do it; a test holds this equal to the simulated clock.

All times count clock edges from the one that takes the first beat of the sample at the design's input, with a host
that always has the next beat and always takes a result.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from flow.exporters.verilog.plan import Plan, Stream
from flow.ir import ArgMax, Dense, Flatten, Input, Node, Relu, Requantize

__all__ = ["Timing", "predict", "stage_cycles"]

# Registers between the step that completes a neuron fold and its beat: operands, dot product, result.
_DENSE_LATENCY = 3
_REGISTER = 1

Times = list[int]


@dataclass(frozen=True, slots=True)
class Timing:
    """Predicted clock cycles.

    Attributes:
        ii_cycles: between two samples in steady state: the slowest stage.
        latency_cycles: from the first beat in to the last out, of one sample in an idle design.
        stages: cycles per sample of every stream's stage, by node name.
        ready: when the last beat of every stream is offered, by node name.
    """

    ii_cycles: int
    latency_cycles: int
    stages: dict[str, int]
    ready: dict[str, int]


def _dense(plan: Plan, stream: Stream, arrivals: Times) -> Times:
    arrivals = [time + _REGISTER for time in arrivals] if stream.node.name in plan.fifos else arrivals
    now, leaves = -1, []
    for fold in range(stream.beats):
        for step in range(len(arrivals)):
            now = max(now + 1, arrivals[step]) if fold == 0 else now + 1
        leaves.append(now + _DENSE_LATENCY)
    return leaves


def _wire(plan: Plan, stream: Stream, arrivals: Times) -> Times:
    return arrivals


def _register(plan: Plan, stream: Stream, arrivals: Times) -> Times:
    return [time + _REGISTER for time in arrivals]


def _argmax(plan: Plan, stream: Stream, arrivals: Times) -> Times:
    return [arrivals[-1] + _REGISTER]


# When the beats of a node's stream are offered, from when those of its operand are.
_LEAVES: dict[type[Node], Callable[[Plan, Stream, Times], Times]] = {
    Dense: _dense,
    Relu: _wire,
    Flatten: _wire,
    Requantize: _register,
    ArgMax: _argmax,
}


def stage_cycles(plan: Plan, name: str) -> int:
    """Cycles a sample occupies the stage that makes stream `name`."""
    stream = plan.streams[name]
    if isinstance(stream.node, Dense):
        return plan.folding[name].cycles(stream.node)
    return plan.streams[stream.node.inputs[0]].beats if stream.node.inputs else stream.beats


def predict(plan: Plan) -> Timing:
    """The timing of a design."""
    times: dict[str, Times] = {}
    for name, stream in plan.streams.items():
        if isinstance(stream.node, Input):
            times[name] = [beat + _REGISTER for beat in range(stream.beats)]
        else:
            times[name] = _LEAVES[type(stream.node)](plan, stream, times[stream.node.inputs[0]])
    stages = {name: stage_cycles(plan, name) for name in plan.streams}
    latency = max(times[name][-1] + _REGISTER for name in plan.outputs)
    return Timing(max(stages.values()), latency, stages, {name: beats[-1] for name, beats in times.items()})
