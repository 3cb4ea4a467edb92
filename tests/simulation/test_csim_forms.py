"""The streaming form, folded layers and every multiplier under g++: the same bits, FIFOs as deep as emitted."""

import re
import shutil
from dataclasses import replace

import numpy as np
import pytest

import flow
from flow.errors import ToolError
from flow.exporters.hls import export_hls
from flow.exporters.hls.stream_wiring import SLACK
from flow.exporters.writer import write_tree
from flow.formats import FixedPoint
from flow.ir import AvgPool2d, Conv2d, Graph, Input, MaxPool2d, Node, Relu, ScaleShift, Tensor, trace
from flow.simulation.csim import compile_program, simulate_csim
from flow.simulation.ladder import Context, climb
from flow.tools import run
from tests.graphs import fmt, mlp_graph, random_codes, random_graph, random_tensor, resnet_graph
from tests.nets import NETS, design
from tests.simulation.more_operators import (
    attention_graph,
    moves_graph,
    pairs_graph,
    places_graph,
    shares_graph,
    spread_graph,
    tables_graph,
)
from tests.simulation.test_csim import assert_exact, operators_graph

MANY = (pairs_graph, places_graph, tables_graph, moves_graph, spread_graph, attention_graph, shares_graph)
STREAMED = (tables_graph, moves_graph)  # in every run of the tests


def windows_graph(seed: int) -> Graph:
    """Windows of every kind: padded more than needed, skipping rows, overlapping, one line high, of a whole image."""
    rng = np.random.default_rng(seed)
    nodes: list[Node] = [Input(name="x", shape=(2, 6, 7), format=fmt("s5.2"))]
    cases = [((3, 3), (2, 2), (2, 1)), ((1, 4), (1, 3), (0, 0)), ((4, 1), (3, 1), (1, 0)), ((2, 2), (5, 5), (0, 3))]
    for number, (kernel, stride, padding) in enumerate(cases):
        weight = random_tensor(rng, (4, 2 - number % 2, *kernel), "s4.3")
        nodes.append(Conv2d(name=f"conv{number}", inputs=("x",), weight=weight, stride=stride, padding=padding,
                            groups=1 + number % 2))  # fmt: skip
    scale = Tensor(np.array(5), fmt("u3.6"))
    for number, (kernel, stride) in enumerate([((3, 3), (1, 2)), ((2, 2), (2, 3)), ((6, 7), (6, 7)), ((1, 2), (2, 1))]):
        nodes.append(MaxPool2d(name=f"max{number}", inputs=("x",), kernel=kernel, stride=stride))
        nodes.append(AvgPool2d(name=f"avg{number}", inputs=("x",), kernel=kernel, stride=stride, scale=scale))
    return Graph(f"windows_{seed}", tuple(nodes), tuple(node.name for node in nodes[1:]))


def vectors_graph() -> Graph:
    """A scale and shift of a vector, whose channel is that of the beat."""
    rng = np.random.default_rng(3)
    scale, shift = random_tensor(rng, (6,), "s7.3"), random_tensor(rng, (6,), "s6.2")
    nodes = (
        Input(name="x", shape=(6,), format=fmt("s5.2")),
        ScaleShift(name="bn", inputs=("x",), scale=scale, shift=shift),
        Relu(name="unread", inputs=("bn",)),
    )
    return Graph("vectors", nodes, ("bn",))


@pytest.mark.parametrize("make", [lambda: operators_graph(0), lambda: windows_graph(0)], ids=["operators", "windows"])
def test_every_operator_streams(make, tmp_path, flags):
    graph = make()
    assert_exact(graph, tmp_path, random_codes(graph, 20), flags, form="stream", reuse=2)


@pytest.mark.parametrize("make", STREAMED, ids=lambda make: make.__name__)
def test_tables_and_moves_stream(make, tmp_path, flags):
    graph = make(0)
    assert_exact(graph, tmp_path, random_codes(graph, 30), flags, form="stream")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("make", [*MANY, operators_graph, windows_graph], ids=lambda make: make.__name__)
def test_every_operator_streams_with_more_formats(make, seed, tmp_path, flags):
    graph = make(seed)
    assert_exact(graph, tmp_path, random_codes(graph, 20, seed), flags, form="stream", reuse=seed + 1)


@pytest.mark.parametrize("seed", [7])
def test_random_graphs_stream(seed, tmp_path, flags):
    graph = random_graph(seed)
    assert_exact(graph, tmp_path, random_codes(graph, 50, seed), flags, form="stream")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 160))
def test_many_random_graphs_stream(seed, tmp_path, flags):
    graph = random_graph(seed, steps=10)
    assert_exact(graph, tmp_path, random_codes(graph, 50, seed), flags, form="stream")


@pytest.mark.parametrize(("multiplier", "form"), [("dsp", "parallel"), ("shift_add", "stream")])
def test_folding_and_multipliers_change_no_bit(multiplier, form, tmp_path, flags):
    graph = mlp_graph(sizes=(12, 8, 6))
    layers = {"fc1": {"pe": 4, "simd": 3, "storage": "block"}, "fc2": {"pe": 6, "simd": 8, "multiplier": "fabric"}}
    options = {"form": form, "multiplier": multiplier, "layers": layers}
    assert_exact(graph, tmp_path, random_codes(graph, 30), flags, **options)


def test_the_channels_of_a_vector_are_its_beats(tmp_path, flags):
    graph = vectors_graph()
    assert_exact(graph, tmp_path, random_codes(graph, 30), flags, form="stream", multiplier="shift_add")


@pytest.mark.parametrize("form", ["parallel", "stream"])
def test_folded_convolutions_with_groups(form, tmp_path, flags):
    """PE across two groups, SIMD across places of the window."""
    graph = windows_graph(1)
    wide = replace(graph, nodes=graph.nodes[:3], outputs=("conv0", "conv1"))
    layers = {"conv0": {"pe": 2, "simd": 6}, "conv1": {"pe": 4, "simd": 2}}
    assert_exact(wide, tmp_path, random_codes(wide, 20), flags, form=form, layers=layers, multiplier="shift_add")


def test_digits_of_wide_and_odd_formats(tmp_path, flags):
    """Weights whose digits lie above the weight, and binary points outside of it."""
    rng = np.random.default_rng(0)
    nodes: list[Node] = [Input(name="x", shape=(3,), format=fmt("u7.-2"))]
    for number, text in enumerate(("u8.0", "s8.30", "u1.-5", "s1.2", "s24.3")):
        scale, form = random_tensor(rng, (3,), text), FixedPoint.parse(text)
        codes = scale.codes.copy()
        codes[:2] = form.low, form.high
        nodes.append(ScaleShift(name=f"n{number}", inputs=("x",), scale=Tensor(codes, form),
                                shift=random_tensor(rng, (3,), "s4.0")))  # fmt: skip
    graph = Graph("digits", tuple(nodes), tuple(node.name for node in nodes[1:]))
    assert_exact(graph, tmp_path, random_codes(graph, 50), flags, multiplier="shift_add")


@pytest.fixture(scope="module")
def net(tmp_path_factory, flags):
    """The net with a residual join, its streaming project, and 30 samples."""
    graph, folder = resnet_graph(), tmp_path_factory.mktemp("net") / "resnet"
    codes = random_codes(graph, 30)
    write_tree(folder, export_hls(graph, codes, form="stream"))
    return graph, folder, codes


def test_a_net_with_a_join_streams(net, flags):
    graph, folder, codes = net
    actual, expected = simulate_csim(graph, folder, codes, extra=flags, jobs=1), trace(graph, codes)
    assert [name for name in expected if not np.array_equal(actual[name], expected[name])] == []
    assert sum(value.size for value in actual.values()) == 30 * sum(v.size for v in graph.values.values())


@pytest.mark.slow
@pytest.mark.parametrize("name", NETS)
def test_whole_nets_stream(name, tmp_path):
    """Nets trained on real samples, in the rung csim."""
    made = design(name, 16)
    write_tree(tmp_path / "hls", flow.export(made.graph, "hls", form="stream"))
    (result,) = climb(Context(made.graph, made.codes, tmp_path), ["csim"])
    assert (result.skipped, result.comparison.mismatches) == (None, 0)
    assert result.comparison.values == 16 * sum(value.size for value in made.graph.values.values())


def deepen(folder, by: int) -> None:
    """Change the depth of the one FIFO that is deeper than two."""
    path = folder / "top.cpp"
    text, count = re.subn(
        r"(value|depth=|, )?(\d\d)(?=\)?\n)",
        lambda found: f"{found[1]}{int(found[2]) + by}" if found[1] in ("depth=", ", ") else found[0],
        path.read_text(),
    )
    assert count >= 2
    path.write_text(text)


def test_fifos_are_just_deep_enough(net, tmp_path, flags):
    """Without the slack the design ends on the same bits; with a beat less it deadlocks, and the run says where."""
    folder = shutil.copytree(net[1], tmp_path / "resnet")
    deepen(folder, -SLACK)
    assert "depth=9\n" in (folder / "top.cpp").read_text()
    bench = compile_program(folder, "testbench.cpp", extra=flags, jobs=1)
    assert run([bench, folder / "vectors"]) == "30 samples, 330 codes compared, 0 mismatches\n"
    text = (folder / "top.cpp").read_text()
    (folder / "top.cpp").write_text(text.replace("FLOW_DEPTH(rest1_stem_out, 9)", "FLOW_DEPTH(rest1_stem_out, 8)"))
    bench = compile_program(folder, "testbench.cpp", extra=flags, jobs=1)
    with pytest.raises(ToolError, match=r"\nERROR deadlock: layers wait to .*write rest1_stem_out"):
        run([bench, folder / "vectors"])
