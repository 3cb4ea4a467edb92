"""hls4ml's own C++ against the interpreter: every operator, every mode, every layer; and hls4ml's known traps."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from flow.errors import DataError, SimulationError, ToolError
from flow.exporters.hls4ml import export_hls4ml, reasons
from flow.exporters.writer import write_tree
from flow.formats import Overflow, Rounding, encode
from flow.ir import (
    OPERATORS,
    Dense,
    Flatten,
    Graph,
    Input,
    Node,
    Relu,
    Requantize,
    RequantizeEach,
    RequantizeMinifloat,
    Reshape,
    ScaleShift,
    Softmax,
    Tensor,
    Transpose,
    interpret,
    trace,
)
from flow.simulation.compare import compare
from flow.simulation.csim import hash_of
from flow.simulation.hls4ml import compile_library, simulate_hls4ml, tool
from flow.simulation.precompiled import precompiled
from tests.exporters.test_hls4ml import expressible, image_graph
from tests.graphs import fmt, mlp_graph, random_codes, random_graph, random_tensor, resnet_graph
from tests.ir.every_operator import every_operator
from tests.simulation.more_operators import moves_graph

HEADERS = "algorithm array cmath fstream iostream map sstream tuple vector".split()


@pytest.fixture(scope="session")
def flags() -> list[str]:
    """Options that make g++ read the headers precompiled, once for all graphs of this file."""
    options = ["-std=c++11", "-O0", "-fPIC"]
    headers = ["ap_fixed.h", "hls_stream.h", *HEADERS]
    return ["-O0", *precompiled(options, hash_of([tool(), *options, *headers]), headers)]


def assert_exact(graph: Graph, folder: Path, count: int, flags: list[str]) -> set[str]:
    """No code of any layer differs; the names of the nodes that hls4ml shows."""
    codes, project = random_codes(graph, count), folder / "project"
    write_tree(project, export_hls4ml(graph, codes))
    actual = simulate_hls4ml(graph, project, codes, extra=flags)
    found = compare(graph, trace(graph, codes), actual)
    assert found.mismatches == 0, found.first
    assert found.values == count * sum(graph.values[name].size for name in actual)
    assert set(graph.outputs) <= set(actual)
    assert all(len(value) == count for value in actual.values())
    return set(actual)


def every_mode(casts: Callable[[Node], bool]) -> Graph:
    """Every operator; of the casts per place and to minifloats, those that `casts` picks. All ends are outputs."""
    whole = expressible(every_operator())
    nodes = tuple(node for node in whole if not isinstance(node, RequantizeEach | RequantizeMinifloat) or casts(node))
    read = {name for node in nodes for name in node.inputs}
    return Graph("operators", nodes, tuple(node.name for node in nodes if node.name not in read))


@pytest.mark.slow
def test_every_operator_and_every_mode(tmp_path: Path, flags: list[str]):
    """Tables, reductions, grouped convolution, casts per place and to minifloats, and all modes of casts."""
    graph = every_mode(lambda node: node.name in ("each.RND_CONV", "minifloat.nearest_even"))
    assert {type(node) for node in graph} == set(OPERATORS.values()) - {Softmax}
    shown = assert_exact(graph, tmp_path, 200, flags)
    assert {node.name for node in graph} - shown == {
        "flat",
        "grid",
        "top",
        "top.four",
        "sum",
        "ends",
    }  # which are arrays' other names


def turned_graph() -> Graph:
    """Transpositions before a Dense layer, of which others read too, of the input, of one channel, of five axes."""
    rng = np.random.default_rng(5)
    nodes: list[Node] = [Input(name="x", shape=(1, 2, 3, 4), format=fmt("s6.2"))]
    turns = [((1, 2, 3, 4), (0, 2, 1, 3)), ((4, 6), (1, 0)), ((3, 2, 4), (1, 2, 0)), ((3, 2, 4), (2, 1, 0)),
             ((1, 4, 6), (2, 1, 0)), ((2, 2, 3, 2, 1), (3, 0, 2, 4, 1))]  # fmt: skip
    for number, (shape, order) in enumerate(turns):
        nodes += [
            Reshape(name=f"s{number}", inputs=("x",), shape=shape) if number else Relu(name="s0", inputs=("x",)),
            Transpose(name=f"t{number}", inputs=(f"s{number}" if number else "x",), order=order),
            Flatten(name=f"f{number}", inputs=(f"t{number}",)),
            Dense(name=f"d{number}", inputs=(f"f{number}",), weight=random_tensor(rng, (2, 24), "s4.1")),
        ]
        if number % 2:
            nodes.append(Relu(name=f"r{number}", inputs=(f"t{number}",)))
    read = {name for node in nodes for name in node.inputs}
    return Graph("turned", tuple(nodes), (*(node.name for node in nodes if node.name not in read), "t2"))


def test_transpositions_before_dense_layers(tmp_path: Path, flags: list[str]):
    """hls4ml would move them into the weights, whatever their order and whoever else reads them."""
    graph = turned_graph()
    assert {f"t{number}" for number in range(6)} <= assert_exact(graph, tmp_path, 100, flags)


def test_parts_joined_along_any_axis(tmp_path: Path, flags: list[str]):
    graph = moves_graph(0)
    assert set(graph.outputs) <= assert_exact(graph, tmp_path, 100, flags)


@pytest.mark.slow
@pytest.mark.parametrize(("channels", "size"), [(3, 4), (8, 8)])
def test_residual_nets(channels: int, size: int, tmp_path: Path, flags: list[str]):
    graph = resnet_graph(channels=channels, size=size)
    assert set(graph.values) - assert_exact(graph, tmp_path, 200, flags) == {"input", "flat"}


@pytest.mark.slow
@pytest.mark.parametrize("make", [mlp_graph, lambda: every_mode(lambda node: True)])
def test_large_graphs(make: Callable[[], Graph], tmp_path: Path, flags: list[str]):
    assert_exact(make(), tmp_path, 200, flags)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 125))
def test_many_random_graphs(seed: int, tmp_path: Path, flags: list[str]):
    graph = expressible(random_graph(seed, steps=10))
    if not reasons(graph):
        assert_exact(graph, tmp_path, 200, flags)


@pytest.mark.slow
def test_most_random_graphs_are_not_refused():
    assert sum(not reasons(expressible(random_graph(seed, steps=10))) for seed in range(100, 125)) > 20


def test_flattened_images(tmp_path: Path, flags: list[str]):
    """hls4ml keeps images as [H, W, C] and moves transpositions into weights; it refuses binary points per channel."""
    assert_exact(image_graph(3), tmp_path, 200, flags)


def wide_graph() -> Graph:
    weight = random_tensor(np.random.default_rng(0), (3, 4), "s29.30")
    nodes = (
        Input(name="x", shape=(4,), format=fmt("s29.-5")),
        Dense(name="fc", inputs=("x",), weight=weight),
        Requantize(name="y", inputs=("fc",), format=fmt("s40.10"), rounding=Rounding.RND_CONV),
    )
    return Graph("wide", nodes, ("y",))


@pytest.mark.slow
def test_sums_of_60_bits(tmp_path: Path, flags: list[str]):
    assert wide_graph().values["fc"].format.width >= 58
    assert assert_exact(wide_graph(), tmp_path, 200, flags) == {"y"}  # the trace is of doubles


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # hls4ml leaves its config open
def test_hls4mls_own_compile_and_predict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """From the exported folder alone, on real numbers off the grid: they are encoded once, half up, saturated."""
    import hls4ml

    graph = mlp_graph(sizes=(16, 8, 8, 10))
    ones, zeros = (Tensor(np.full(16, code), fmt("u1.0")) for code in (1, 0))
    once = ScaleShift(name="once", inputs=("input",), scale=ones, shift=zeros)  # a layer that hls4ml drops
    nodes = (*graph.nodes, Relu(name="positive", inputs=("fc3",)), once)
    graph = Graph("mlp", nodes, ("positive", "fc3", "fc2.out", "once"))
    write_tree(tmp_path / "project", export_hls4ml(graph))
    monkeypatch.chdir(tmp_path / "project")
    model = hls4ml.converters.link_existing_project(".")
    model.compile()
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(0.5, 1.0, (200, 16)), rng.integers(-9, 140, (200, 16)) / 64])  # ties, over the ends
    codes = encode(x, graph.input.format, Rounding.RND, Overflow.SAT)
    predicted = model.predict(np.ascontiguousarray(x))
    for name, values, expected in zip(graph.outputs, predicted, interpret(graph, codes), strict=True):
        np.testing.assert_array_equal(np.ldexp(values, graph.values[name].format.frac), expected, err_msg=name)
    assert sum(values.size for values in predicted) == 400 * (10 + 10 + 8 + 16)


@pytest.fixture(scope="module")
def small() -> Graph:
    rng = np.random.default_rng(1)
    nodes = (
        Input(name="x", shape=(6,), format=fmt("s8.4")),
        Requantize(name="cast", inputs=("x",), format=fmt("s5.2"), rounding=Rounding.RND_CONV),
        Dense(name="fc", inputs=("cast",), weight=random_tensor(rng, (4, 6), "s6.6")),
    )
    return Graph("small", nodes, ("fc",))


def test_an_input_cut_to_another_type_first_is_seen(small: Graph, tmp_path: Path, flags: list[str]):
    """Double rounding: an input type of three fractional bits in front of the cast to two, as a default would be."""
    codes = random_codes(small, 200)
    write_tree(tmp_path, export_hls4ml(small))
    defines = tmp_path / "firmware" / "defines.h"
    text, count = re.subn(r"typedef .* input_t;", "typedef ap_fixed<16,13> input_t;", defines.read_text())
    assert count == 1
    defines.write_text(text)
    found = compare(small, trace(small, codes), simulate_hls4ml(small, tmp_path, codes, extra=flags))
    assert found.mismatches > 0
    assert found.first is not None
    assert found.first.node == "cast"
    assert_nothing_is_compiled_twice(tmp_path, flags)
    assert_another_graph_is_noticed(small, tmp_path, flags)


def assert_nothing_is_compiled_twice(project: Path, flags: list[str]) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in (project / "build").iterdir()}
    compile_library(project, extra=flags)
    assert {path.name: path.stat().st_mtime_ns for path in (project / "build").iterdir()} == before
    assert len(before) == 2
    with pytest.raises(ToolError, match="no-such-option"):
        compile_library(project, extra=["--no-such-option"])


def assert_another_graph_is_noticed(small: Graph, project: Path, flags: list[str]) -> None:
    codes, again = random_codes(small, 3), "export the project again from the same graph."
    with pytest.raises(SimulationError) as caught:
        simulate_hls4ml(Graph("small", small.nodes[:-1], ("cast",)), project, codes, extra=flags)
    assert str(caught.value) == f"The hls4ml project of 'small' must hold 6 codes of 'cast', not 4; {again}"
    with pytest.raises(SimulationError) as caught:
        simulate_hls4ml(Graph("small", small.nodes, ("fc", "cast")), project, codes, extra=flags)
    assert str(caught.value) == f"The hls4ml project of 'small' has no output for 'cast'; {again}"


def test_refusals(small: Graph, tmp_path: Path):
    codes = random_codes(small, 5)
    with pytest.raises(SimulationError) as caught:
        simulate_hls4ml(small, tmp_path, codes)
    assert str(caught.value) == (
        f"Folder {str(tmp_path)!r} holds no hls4ml_config.yml; write the project there with flow export."
    )
    with pytest.raises(DataError) as caught:
        simulate_hls4ml(small, tmp_path, codes[:, :5])
    assert str(caught.value) == "Input 'x' takes codes of shape (N, *(6,)) with N >= 1, not (5, 5)."


def test_the_tool_names_compiler_and_hls4ml():
    assert re.fullmatch(r"g\+\+ \d+\.\d+\.\d+, hls4ml 1\.3\.\d+", tool())
