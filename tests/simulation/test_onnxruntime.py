from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flow.errors import SimulationError
from flow.exporters.onnx import export_onnx
from flow.exporters.writer import write_tree
from flow.formats import FixedPoint, FloatRounding, Minifloat, Overflow, Rounding
from flow.ir import (
    Add,
    Conv2d,
    Graph,
    Input,
    MaxPool2d,
    Node,
    ReduceMax,
    ReduceSum,
    Requantize,
    RequantizeMinifloat,
    Tensor,
    trace,
)
from flow.simulation.compare import compare
from flow.simulation.onnxruntime import simulate_onnxruntime, tool
from tests.graphs import fmt, mlp_graph, random_codes, random_graph, resnet_graph
from tests.ir.strategies import (
    SINGLE,
    conv2d,
    dense,
    pooling,
    reduction,
    requantize,
    requantize_each,
    requantize_minifloat,
)

once = settings(derandomize=True, deadline=None, max_examples=40)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ort") / "onnx"


def check(graph: Graph, codes: np.ndarray, folder: Path) -> int:
    """Every value of every node equals the arbiter's; returns how many were compared."""
    write_tree(folder, export_onnx(graph))
    found = simulate_onnxruntime(graph, folder, codes)
    assert list(found) == list(graph.values)
    assert all(value.dtype == np.int64 for value in found.values())
    result = compare(graph, trace(graph, codes), found)
    assert result.first is None, f"{result.first} in\n{graph}"
    assert result.values == len(codes) * sum(value.size for value in graph.values.values())
    return result.values


@pytest.mark.parametrize("operator", SINGLE, ids=lambda cls: cls.op)
def test_each_operator_alone(operator: type[Node], folder: Path):
    @once
    @given(SINGLE[operator], st.integers(0, 999))
    def run(graph: Graph, seed: int) -> None:
        check(graph, random_codes(graph, 9, seed), folder)

    run()


WIDE = {
    "dense": dense(26),
    "conv2d": conv2d(26),
    "max_pool2d": pooling(MaxPool2d, 40),
    "reduce_max": reduction(ReduceMax, 61),
    "reduce_sum": reduction(ReduceSum, 58),
    "requantize": requantize(60),
    "requantize_each": requantize_each(55),
    "requantize_minifloat": requantize_minifloat(61),
}


@pytest.mark.parametrize("strategy", WIDE.values(), ids=WIDE)
def test_wide_formats_beyond_what_floats_hold(strategy: st.SearchStrategy[Graph], folder: Path):
    @once
    @given(strategy, st.integers(0, 999))
    def run(graph: Graph, seed: int) -> None:
        check(graph, random_codes(graph, 9, seed), folder)

    run()


def ends(form: FixedPoint) -> np.ndarray:
    """Codes around every power of two and both ends."""
    near = [sign * (1 << bits) + d for bits in range(62) for sign in (-1, 1) for d in range(-2, 3)]
    kept = sorted({code for code in [*near, form.low, form.high, *range(-40, 41)] if form.low <= code <= form.high})
    return np.array(kept, dtype=np.int64)[:, None]


@pytest.mark.parametrize("source", ["s5.0", "u5.0", "s62.0", "u62.0", "s61.0", "s33.0"])
@pytest.mark.parametrize("shift", [-70, -61, -20, -3, -1, 0, 1, 2, 5, 31, 60, 61, 62, 63, 64, 90])
def test_every_mode_at_every_shift(source: str, shift: int, folder: Path):
    """Seven roundings, five overflows, targets from 1 to 62 bits, in one graph a shift."""
    nodes: list[Node] = [Input(name="x", shape=(1,), format=fmt(source))]
    for sign, width, rounding, mode in itertools.product("su", (1, 2, 5, 61, 62), Rounding, Overflow):
        if sign == "s" or mode is not Overflow.WRAP_SM:
            name = f"{sign}{width}.{rounding.value}.{mode.value}"
            form = fmt(f"{sign}{width}.{-shift}")
            nodes.append(Requantize(name=name, inputs=("x",), format=form, rounding=rounding, overflow=mode))
    graph = Graph("modes", tuple(nodes), tuple(node.name for node in nodes[1:]))
    assert len(nodes) == 1 + 5 * 7 * (5 + 4)
    codes = ends(nodes[0].format)
    assert check(graph, codes, folder) == len(codes) * len(nodes)


MINIFLOATS = ("e0m3", "e3m0", "e2m1", "e3m2", "e4m3fn", "e4m3fnuz", "e5m2ieee", "ue4m0", "ue3m2ieee")


@pytest.mark.parametrize("source", ["s13.0", "u13.0", "s62.0", "u62.0"])
@pytest.mark.parametrize("shift", [-70, -20, -9, -3, -1, 0, 1, 2, 5, 20, 61, 62, 63, 64, 90])
def test_every_minifloat_at_every_shift(source: str, shift: int, folder: Path):
    """Nine formats, five roundings; `shift` bits lie below the smallest number."""
    nodes: list[Node] = [Input(name="x", shape=(1,), format=fmt(source))]
    for text, rounding in itertools.product(MINIFLOATS, FloatRounding):
        form = Minifloat.parse(text)
        moved = replace(form, bias=1 - form.mantissa - shift)
        name = f"{text}.{rounding.value}"
        nodes.append(RequantizeMinifloat(name=name, inputs=("x",), minifloat=moved, rounding=rounding))
    graph = Graph("minifloats", tuple(nodes), tuple(node.name for node in nodes[1:]))
    codes = np.arange(-4096, 8192)[:, None] if source[1:] == "13.0" else ends(nodes[0].format)
    held = codes[(codes[:, 0] >= nodes[0].format.low) & (codes[:, 0] <= nodes[0].format.high)]
    assert check(graph, held, folder) == len(held) * (1 + 9 * 5)


@pytest.mark.parametrize("graph", [mlp_graph(), resnet_graph()], ids=lambda graph: graph.name)
def test_the_two_networks_of_the_demo(graph: Graph, folder: Path):
    assert check(graph, random_codes(graph, 360), folder) > 90_000


@pytest.mark.parametrize("batch", range(15))
def test_random_graphs(batch: int, folder: Path):
    for seed in range(10 * batch, 10 * batch + 10):
        graph = random_graph(seed, spatial=seed % 4 != 0)
        assert check(graph, random_codes(graph, 8, seed), folder) > 0


@pytest.mark.slow
@pytest.mark.parametrize("batch", range(20))
def test_random_graphs_campaign(batch: int, folder: Path):
    for seed in range(1000 + 100 * batch, 1100 + 100 * batch):
        graph = random_graph(seed, steps=4 + seed % 6, spatial=seed % 3 != 0)
        assert check(graph, random_codes(graph, 16, seed), folder) > 0


@pytest.mark.parametrize("names", [("input", "fc1"), ("input", "fc1.out", "fc2")])
def test_any_node_can_be_an_output(names: tuple[str, ...], folder: Path):
    graph = replace(mlp_graph(sizes=(4, 3, 2)), outputs=names)
    assert check(graph, random_codes(graph, 5), folder) == 5 * (4 + 3 + 3 + 3 + 2)


def test_zeros_are_lifted_any_distance(folder: Path):
    """A cast that drops every bit leaves zeros, which then meet a binary point 90 bits away."""
    nodes = (
        Input(name="x", shape=(3,), format=fmt("s6.80")),
        Requantize(name="zero", inputs=("x",), format=fmt("s4.-10")),
        Add(name="y", inputs=("x", "zero")),
    )
    graph = Graph("far", nodes, ("y",))
    assert check(graph, random_codes(graph, 8), folder) == 8 * 9


def test_a_single_number_is_a_sample(folder: Path):
    nodes = (Input(name="x", shape=(), format=fmt("s8.3")), Requantize(name="y", inputs=("x",), format=fmt("s4.1")))
    graph = Graph("scalar", nodes, ("y",))
    assert check(graph, np.arange(-128, 128), folder) == 512


def outputs(graph: Graph, codes: np.ndarray, folder: Path) -> dict[str, np.ndarray]:
    write_tree(folder, export_onnx(graph))
    return simulate_onnxruntime(graph, folder, codes)


def swapped(graph: Graph, old: Node, new: Node) -> Graph:
    return replace(graph, nodes=tuple(new if node is old else node for node in graph.nodes))


def test_a_flipped_weight_bit_is_seen(folder: Path):
    graph = resnet_graph()
    codes, checked = random_codes(graph, 32), 0
    for name in ("stem", "block", "fc"):
        node = graph[name]
        weight = node.weight.codes.copy()
        weight.flat[3] ^= 1
        mutant = swapped(graph, node, replace(node, weight=Tensor(weight, node.weight.format)))
        result = compare(graph, trace(graph, codes), outputs(mutant, codes, folder))
        assert result.first is not None
        assert result.first.node == name
        checked += 1
    assert checked == 3


def test_a_changed_mode_is_seen(folder: Path):
    """Every other rounding and overflow mode of one cast gives other codes somewhere."""
    source = Input(name="x", shape=(1,), format=fmt("s8.2"))
    original = Requantize(name="y", inputs=("x",), format=fmt("s4.0"), rounding=Rounding.RND, overflow=Overflow.SAT)
    graph = Graph("one", (source, original), ("y",))
    codes = np.arange(-128, 128)[:, None]
    mutants = [replace(original, rounding=r, overflow=o) for r in Rounding for o in Overflow]
    seen = [compare(graph, trace(graph, codes), outputs(swapped(graph, original, m), codes, folder)) for m in mutants]
    assert [result.mismatches == 0 for result in seen] == [mutant == original for mutant in mutants]
    assert {result.values for result in seen} == {512}


def test_sums_that_need_the_25th_bit_are_exact(folder: Path):
    """One more than float32 can hold: 2**24 + 1 through Conv, 2**53 + 1 through the matrix product."""
    for form, weight, sums in (("u24.0", 1, (1 << 24) + 1), ("u53.0", 1, (1 << 53) + 1)):
        shape = (1, 1, 2)
        node = Conv2d(name="y", inputs=("x",), weight=Tensor(np.full((1, *shape), weight), fmt("u1.0")))
        graph = Graph("wide", (Input(name="x", shape=shape, format=fmt(form)), node), ("y",))
        high = graph.input.format.high
        codes = np.array([high, sums - high]).reshape(1, *shape)
        assert trace(graph, codes)["y"].item() == sums
        assert check(graph, codes, folder) == 3


def test_an_empty_folder_is_named(tmp_path: Path):
    graph = mlp_graph()
    with pytest.raises(SimulationError) as caught:
        simulate_onnxruntime(graph, tmp_path, random_codes(graph, 1))
    assert str(caught.value) == f"Folder {str(tmp_path)!r} holds no model.onnx; run flow export first."


def test_the_tool_names_its_version_and_settings():
    name, version, rest = tool().split(" ", 2)
    assert (name, rest) == ("onnxruntime", "(CPUExecutionProvider, default session options)")
    assert version[0].isdigit()
