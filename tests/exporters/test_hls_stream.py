"""The streaming form as text: beats, FIFOs that cannot deadlock, every operator. tests/simulation runs it."""

import re
from itertools import chain, repeat

import pytest

from flow.exporters.hls import export_hls
from flow.exporters.hls.depths import Process, fifo_depths
from flow.exporters.hls.options import Options
from flow.exporters.hls.stream_wiring import SLACK
from flow.exporters.hls.streaming import Kind, Layout, layout, stream_call
from flow.exporters.hls.wiring import WIRES
from flow.ir import OPERATORS, Add, Graph, Input, ReduceMax, Relu, Sub
from tests.graphs import fmt, mlp_graph, random_codes, resnet_graph
from tests.ir.every_operator import every_operator


def depths_of(graph: Graph) -> dict[str, int]:
    top = str(export_hls(graph, form="stream")["top.cpp"])
    found = re.findall(r"#pragma HLS STREAM variable=(\w+) depth=(\d+)\n    FLOW_DEPTH\(\1, \2\)", top)
    assert len(found) == top.count("hls::stream<") - 1 - len(graph.outputs)
    return {name: int(depth) for name, depth in found}


def test_an_image_is_a_position_a_beat_and_anything_else_a_code():
    values = resnet_graph().values
    assert layout(values["stem"]) == Layout(lanes=8, beats=64)
    assert layout(values["avg"]) == Layout(lanes=8, beats=1)
    assert layout(values["flat"]) == Layout(lanes=1, beats=8)


def test_a_line_of_layers_needs_two_beats_between_them():
    assert set(depths_of(mlp_graph()).values()) == {2}


def test_the_short_branch_of_a_join_holds_what_the_long_one_keeps_back():
    """A padded 3 x 3 window over rows of 8 reads 10 beats before it writes; the window's own FIFO is no help."""
    deeper = {name: depth for name, depth in depths_of(resnet_graph()).items() if depth != 2}
    assert deeper == {"rest1_stem_out": 9 + SLACK}


def test_a_value_that_waits_for_the_whole_sample_is_held_whole():
    """All 20 beats but the one that the fork holds."""
    nodes = (
        Input(name="x", shape=(20,), format=fmt("s4.0")),
        ReduceMax(name="top", inputs=("x",), axis=0),
        Sub(name="y", inputs=("x", "top")),
    )
    assert depths_of(Graph("below", nodes, ("y",)))["rest1_x"] == 19 + SLACK


def test_a_deeper_fifo_stands_where_the_circle_is():
    """Fork into a line and a layer that keeps 5 beats back: only the line beside it grows, nothing in front."""

    def processes() -> list[Process]:
        late = chain(repeat(0, 5), chain.from_iterable(repeat((-1, 0), 3)), repeat(-1, 5))
        return [
            Process("source", (), (0,), repeat(-1, 8)),
            Process("fork", (0,), (1, 2), chain.from_iterable(repeat((0, -1, -2), 8))),
            Process("late", (1,), (3,), late),
            Process("join", (3, 2), (4,), chain.from_iterable(repeat((0, 1, -1), 8))),
            Process("sink", (4,), (), repeat(0, 8)),
        ]

    assert fifo_depths(processes(), 5) == [2, 2, 4, 2, 2]


def test_every_operator_has_a_layer():
    graph = every_operator()
    kinds: dict[Kind, set[str]] = {kind: set() for kind in Kind}
    for node in graph:
        if not isinstance(node, (Input, *WIRES)):
            kinds[stream_call(graph, node, Options().of(node)).kind].add(node.op)
    assert {"conv2d", "dense", "max_pool2d", "avg_pool2d", "argmax"} <= kinds[Kind.STREAM]
    assert {"relu", "requantize", "scale_shift", "add"} <= kinds[Kind.BEATS]
    computed = {cls.op for cls in OPERATORS.values() if cls not in (Input, *WIRES)}
    assert set().union(*kinds.values()) == computed


def test_a_value_that_nobody_reads_is_drained():
    nodes = (
        Input(name="x", shape=(3,), format=fmt("s4.0")),
        Relu(name="unread", inputs=("x",)),
        Add(name="y", inputs=("x", "x")),
    )
    top = str(export_hls(Graph("dead", nodes, ("y",)), form="stream")["top.cpp"])
    assert "FLOW_LAYER(::flow::drain_beats<dead_types::unread, 1, 3>(value_unread))" in top


@pytest.mark.parametrize("make", [mlp_graph, resnet_graph])
def test_the_same_bytes_twice(make):
    codes = random_codes(make(), 4)
    one, two = (export_hls(make(), codes, form="stream") for _ in range(2))
    assert one == two
    assert list(one) == list(two)
    for name, text in one.items():
        assert not re.search(r"/(home|root|tmp|work|usr)/|20\d\d-\d\d|\bNone\b|\{\{|\{%", str(text)), name


def test_ports_say_what_a_beat_is():
    top = str(export_hls(resnet_graph(), form="stream")["top.h"])
    assert "one position of an image or one code a beat" in top
    assert "// s_axis_input_n: 64 beats of 8 bits, codes of input (u6.5)\n" in top
