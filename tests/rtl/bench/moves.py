"""Cases of the cells that move codes, join parts, scale, sum tap by tap, and cast, as an export makes them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from flow.exporters.verilog import Order, Plan, export_verilog, make_plan
from flow.exporters.verilog.handshakes import Instance
from flow.exporters.verilog.instances import instances
from flow.formats import FloatRounding, Minifloat, Overflow, Rounding
from flow.ir import (
    ArgMax,
    Conv2d,
    Dense,
    Flatten,
    Graph,
    Input,
    Lookup,
    Node,
    Pad,
    RequantizeEach,
    RequantizeMinifloat,
    ScaleShift,
    Slice,
    Softmax,
    Tensor,
    Transpose,
    Upsample,
    trace,
)
from flow.simulation.rtl_beats import StreamType
from tests.graphs import fmt, random_tensor
from tests.rtl.bench.case import STREAM, Case

SAMPLES = 5


def _graph(name: str, shape: tuple[int, ...], text: str, *nodes: Node) -> Graph:
    return Graph(name, (Input(name="x", shape=shape, format=fmt(text)), *nodes), (nodes[-1].name,))


def _each() -> Node:
    rng = np.random.default_rng(3)
    return RequantizeEach(
        name="y", inputs=("x",), fracs=Tensor(rng.integers(-1, 4, (4, 1)), fmt("s4.0")), signed=True,
        widths=Tensor(np.array([[3], [0], [5], [2]]), fmt("u3.0")), rounding=Rounding.RND_CONV, overflow=Overflow.SAT,
    )  # fmt: skip


def _deep(channels: int, kernel: tuple[int, int], weight: str, bias: str | None, seed: int) -> Node:
    rng = np.random.default_rng(seed)
    codes = random_tensor(rng, (channels, 1, *kernel), weight)
    added = None if bias is None else random_tensor(rng, (channels,), bias)
    return Conv2d(name="y", inputs=("x",), weight=codes, bias=added, groups=channels)


def _scaled(channels: int, scale: str, shift: str, seed: int) -> Node:
    rng = np.random.default_rng(seed)
    scales, shifts = random_tensor(rng, (channels,), scale), random_tensor(rng, (channels,), shift)
    return ScaleShift(name="y", inputs=("x",), scale=scales, shift=shifts)


def _reader(*shape: int) -> Node:
    """A layer that reads `y`: its SIMD is how many lanes that has."""
    kind = Conv2d if len(shape) == 4 else Dense
    return kind(name="read", inputs=("y",), weight=random_tensor(np.random.default_rng(8), shape, "s3.0"))


_PLACES = {"before": (1, 0), "after": (0, 2), "interior": (0, 1)}
# One operator each. A slice leaves beats unread at the end, an upsampling gives back row by row, a transposition waits
# for all of a sample.
GRAPHS = {
    "cut": _graph("cut", (3, 4), "s5.0", Slice(name="y", inputs=("x",), starts=(0, 1), stops=(2, 4), steps=(1, 2))),
    "spread": _graph("spread", (2, 3), "u3.0", Pad(name="y", inputs=("x",), **_PLACES)),
    "repeated": _graph("repeated", (2, 3), "u4.0", Upsample(name="y", inputs=("x",), factors=(2, 3))),
    "turned": _graph(
        "turned", (3, 4), "s3.0", Transpose(name="t", inputs=("x",), order=(1, 0)), Flatten(name="f", inputs=("t",)),
        ArgMax(name="y", inputs=("f",)),
    ),
    "each": _graph("each", (4, 3), "s6.2", _each()),
    "small": _graph(
        "small", (5,), "s9.3",
        RequantizeMinifloat(name="y", inputs=("x",), minifloat=Minifloat.parse("e3m2b4")),
    ),
    "uniform": _graph(
        "uniform", (5,), "u6.1",
        RequantizeMinifloat(name="y", inputs=("x",), minifloat=Minifloat.parse("e0m3"), rounding=FloatRounding.UP),
    ),
    "shares": _graph("shares", (2, 5), "s7.3", Softmax(name="y", inputs=("x",), axis=1, mantissa=7)),
    "whole": _graph("whole", (3,), "u4.0", Softmax(name="y", inputs=("x",), axis=0, mantissa=3)),
    "coarse": _graph("coarse", (4, 1), "s4.-1", Softmax(name="y", inputs=("x",), axis=1, mantissa=5)),
    "scaled_lane": _graph("scaled_lane", (5,), "s4.2", _scaled(5, "s3.1", "s5.5", 0)),
    "scaled_vector": _graph("scaled_vector", (6,), "u5.0", _scaled(6, "u3.2", "s9.1", 1), _reader(2, 6)),
    "scaled_image": _graph("scaled_image", (4, 2, 3), "s9.1", _scaled(4, "s10.0", "u4.1", 2), _reader(2, 4, 1, 1)),
    "scaled_once": _graph("scaled_once", (3, 2, 2), "s3.0", _scaled(3, "s4.1", "s4.3", 3), _reader(2, 3, 1, 1)),
}  # fmt: skip
# Images as large as the kernel, of one window each.
DEEP = {
    "deep_one": _graph("deep_one", (2, 3, 2), "s4.2", _deep(2, (3, 2), "s4.3", "s5.7", 4)),
    "deep_groups": _graph("deep_groups", (6, 2, 2), "u3.0", _deep(6, (2, 2), "u3.0", None, 5)),
    "deep_tap": _graph("deep_tap", (3, 1, 1), "s5.0", _deep(3, (1, 1), "s3.1", "s4.1", 6)),
    "deep_wide": _graph("deep_wide", (4, 1, 3), "u9.0", _deep(4, (1, 3), "s9.8", "s9.4", 7)),
}
# Of those with layers: PE and SIMD, by the name of the graph.
FOLDING = {
    "scaled_vector": {"read": (1, 3)}, "scaled_image": {"read": (2, 2)}, "scaled_once": {"read": (1, 3)},
    "deep_one": {"y": (2, 1)}, "deep_groups": {"y": (2, 1)}, "deep_tap": {"y": (1, 1)}, "deep_wide": {"y": (1, 1)},
}  # fmt: skip
DSP = ("scaled_image", "deep_wide")
_ROWS = random_tensor(np.random.default_rng(4), (8, 3), "s4.1")
LOOKUP = _graph("rows", (4,), "u3.0", Lookup(name="y", inputs=("x",), rows=_ROWS))


def _plan(graph: Graph) -> Plan:
    return make_plan(graph, FOLDING.get(graph.name))


def _type(graph: Graph, name: str) -> StreamType:
    stream = _plan(graph).streams[name]
    form = stream.value.format
    return StreamType(
        name, stream.name, stream.value.shape, stream.order, stream.lanes, form.width, form.signed, stream.beats
    )


def _body(found: Instance) -> str:
    parameters = ", ".join(f".{key}({value})" for key, value in found.parameters.items())
    return f"{found.module} {f'#({parameters}) ' if parameters else ''}u_{{p}} ({STREAM});"


def _one(graph: Graph, part: str) -> Instance:
    (found,) = [each for each in instances(_plan(graph)) if each.name == part]
    return found


def _case(name: str, graph: Graph, part: str, shown: str, order: Order | None = None) -> Case:
    """An instance of a design alone.

    Args:
        name: of the case.
        graph: the design, with the input `x`.
        part: the instance, which reads the stream of `x`.
        shown: the node whose codes it makes.
        order: in which it makes them, where that is not the order of the node's stream.
    """
    source, result = _type(graph, "x"), _type(graph, shown)
    made = replace(result, order=order) if order else result

    def model(beats: list[int]) -> list[int]:
        return made.to_beats(trace(graph, source.from_beats(beats))[shown])

    return Case(name, _body(_one(graph, part)), source.bits, made.bits, source.beats, model, SAMPLES)


def _depthwise(name: str) -> Case:
    """The cell without its window, which gives all taps of a group of channels one after the other."""
    graph, node = DEEP[name], DEEP[name]["y"]
    source, result, taps = _type(graph, "x"), _type(graph, "y"), node.weight.codes[0].size

    def model(beats: list[int]) -> list[int]:
        by_pixel = np.array(beats).reshape(SAMPLES, -1, taps).transpose(0, 2, 1).reshape(-1)
        return result.to_beats(trace(graph, source.from_beats(by_pixel.tolist()))["y"])

    return Case(name, _body(_one(graph, "u_y")), source.bits, result.bits, source.beats, model, SAMPLES)


def _select() -> Case:
    """Both halves of a beat, the low one first, each behind a FIFO of its own depth."""
    queues = "".join(
        f"  flow_fifo #(.Width(4), .Depth({depth})) u_{{p}}_{way} (.clk_i, .rst_ni, .data_i({{p}}_data_i[{way}*4+:4]), "
        f".valid_i({{p}}_v[{way}]), .ready_o({{p}}_r[{way}]), .data_o({{p}}_d[{way}*4+:4]), .valid_o({{p}}_q[{way}]), "
        f".ready_i({{p}}_s[{way}]));\n"
        for way, depth in ((0, 2), (1, 3))
    )
    body = (
        "logic [1:0] {p}_v, {p}_r, {p}_q, {p}_s; logic [7:0] {p}_d; logic {p}_step, {p}_turn_q;\n"
        "  flow_fork #(.Ways(2)) u_{p}_fork (.clk_i, .rst_ni, .valid_i({p}_valid_i), .ready_o({p}_ready_o), "
        f".valid_o({{p}}_v), .ready_i({{p}}_r));\n{queues}"
        "  always_ff @(posedge clk_i) begin\n    if (!rst_ni) {p}_turn_q <= 1'b0;\n"
        "    else if ({p}_step) {p}_turn_q <= ~{p}_turn_q;\n  end\n"
        "  flow_select #(.Ways(2), .Width(4)) u_{p} (.clk_i, .rst_ni, .step_o({p}_step), "
        ".turn_i({{p}_turn_q, ~{p}_turn_q}), .data_i({p}_d), .valid_i({p}_q), .ready_o({p}_s), .data_o({p}_data_o), "
        ".valid_o({p}_valid_o), .ready_i({p}_ready_i));"
    )
    return Case("select", body, 8, 4, 1, lambda beats: [half for beat in beats for half in (beat & 15, beat >> 4)])


def _lookup() -> Case:
    """A row by its number, which comes as often as the row has entries."""
    rows, source, result = _ROWS.codes, _type(LOOKUP, "x"), _type(LOOKUP, "y")

    def model(beats: list[int]) -> list[int]:
        return [int(rows[beat, place % 3]) & 15 for place, beat in enumerate(beats)]

    return Case("lookup", _body(_one(LOOKUP, "u_y")), source.bits, result.bits, 3, model)


def sources() -> dict[str, str]:
    """The generated files of every case, the tops left out."""
    found = {}
    for graph in (*GRAPHS.values(), *DEEP.values(), LOOKUP):
        exported = export_verilog(graph, FOLDING.get(graph.name), dsp=graph.name in DSP)
        files = {path: str(text) for path, text in exported.items() if path.endswith(".sv")}
        found.update({path: text for path, text in files.items() if "_top" not in path and "cells/" not in path})
    return found


MOVES: tuple[Case, ...] = (
    *(_case(f"move_{name}", GRAPHS[name], "u_move__y", "y") for name in ("cut", "spread", "repeated")),
    _case("move_turned", GRAPHS["turned"], "u_move__y", "f", Order.row_major((12,))),
    *(_case(f"cast_{name}", GRAPHS[name], "u_y", "y") for name in ("each", "small", "uniform")),
    *(_case(f"softmax_{name}", GRAPHS[name], "u_y", "y") for name in ("shares", "whole", "coarse")),
    *(_case(name, GRAPHS[name], "u_y", "y") for name in GRAPHS if name.startswith("scaled")),
    *(_depthwise(name) for name in DEEP),
    _select(),
    _lookup(),
)
