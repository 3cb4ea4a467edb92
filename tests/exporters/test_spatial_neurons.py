"""Neurons of few input bits as truth tables: the same codes, fewer LUTs, and said in the files."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from flow.estimation import estimate, load_board
from flow.exporters.verilog.spatial import blocks, export_spatial, plan_spatial
from flow.exporters.verilog.spatial.flat import flattened
from flow.exporters.verilog.spatial.inventory import inventory
from flow.exporters.verilog.spatial.neurons import MOST_BITS, Neurons
from flow.exporters.verilog.spatial.places import table_luts
from flow.exporters.writer import write_tree
from flow.formats import Overflow, Rounding
from flow.ir import Conv2d, Dense, Graph, Input, Node, Relu, Requantize, Tensor, trace
from flow.simulation.netlist import simulate_netlist
from flow.simulation.rtl import simulate_rtl
from flow.synthesis import Family, synthesise
from tests.exporters.test_spatial import equal
from tests.graphs import fmt, random_codes, random_tensor


def activated(source: str, name: str, form: str) -> list[Node]:
    cast = Requantize(
        name=name, inputs=(f"{name}.relu",), format=fmt(form), rounding=Rounding.RND, overflow=Overflow.SAT
    )
    return [Relu(name=f"{name}.relu", inputs=(source,)), cast]


def pruned(source: str, hidden: str, fan_in: int = 2, sizes: tuple[int, ...] = (8, 8, 4), seed: int = 1) -> Graph:
    """An MLP whose neurons read a few codes each."""
    rng, nodes = np.random.default_rng(seed), list[Node]()
    nodes.append(Input(name="x", shape=sizes[:1], format=fmt(source)))
    for place, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
        weight = random_tensor(rng, (outputs, inputs), "s5.4")
        kept = rng.permuted(np.tile(np.arange(inputs) < fan_in, (outputs, 1)), axis=1)
        weight, bias = Tensor(weight.codes * kept, weight.format), random_tensor(rng, (outputs,), "s5.4")
        nodes.append(Dense(name=f"fc{place}", inputs=(nodes[-1].name,), weight=weight, bias=bias))
        nodes += activated(f"fc{place}", f"cast{place}", hidden)
    return Graph("pruned", tuple(nodes), (nodes[-1].name,))


def chosen(graph: Graph) -> list[Neurons]:
    return [block.neurons for block in plan_spatial(graph).blocks if block.neurons]


@pytest.mark.parametrize(("source", "hidden"), [("u3.2", "u3.1"), ("s2.1", "u2.1"), ("s3.2", "u4.2"), ("u1.1", "u1.0")])
def test_every_code_of_a_pruned_net(source: str, hidden: str):
    graph = pruned(source, hidden, sizes=(4, 6, 3))
    assert sum(found.tables for found in chosen(graph)) >= 3
    form = graph.input.format
    grid = np.meshgrid(*[np.arange(form.low, form.high + 1)] * 4)
    codes = np.stack([axis.ravel() for axis in grid], axis=1)
    assert equal(graph, 0, 0, codes) == 9 * len(codes)


@pytest.mark.parametrize("groups", [1, 2])
def test_positions_of_a_convolution_with_padding_and_stride(groups: int):
    rng = np.random.default_rng(3)
    weight = random_tensor(rng, (4, 2 // groups, 2, 2), "s4.3")
    kept = np.zeros(weight.shape, dtype=np.int64)
    kept[:, 0, 0, :] = 1
    nodes = (
        Input(name="x", shape=(2, 5, 5), format=fmt("s3.1")),
        Conv2d(
            name="conv",
            inputs=("x",),
            weight=Tensor(weight.codes * kept, weight.format),
            padding=(1, 1),
            stride=(2, 2),
            groups=groups,
        ),
        *activated("conv", "cast", "u2.0"),
    )
    graph = Graph("convolution", nodes, ("cast",))
    assert chosen(graph)[0].tables >= 2
    assert equal(graph, 400, 0) == 400 * 36


def test_what_a_range_excludes_is_free():
    """Codes of 0 and 1 behind a cast: the second layer's tables know no others."""
    graph = pruned("u1.1", "u2.1", fan_in=3, sizes=(6, 5, 4))
    values = plan_spatial(graph).blocks[1].unit.words
    assert any(word.low > 0 or word.high < 3 for word in values)
    assert equal(graph, 300, 0) == 9 * 300


def test_neurons_of_many_bits_stay_additions():
    assert chosen(pruned("u6.5", "u6.4")) == []
    read = [
        block.unit.ops[word.index].reads[0].form.width
        for block in plan_spatial(pruned("u4.3", "u4.2", sizes=(16, 16, 8))).blocks
        for word in block.words
        if block.unit.ops[word.index].kind == "entry"
    ]
    assert 6 < max(read) <= MOST_BITS


def test_luts_of_a_table_are_counted_by_the_bits_that_each_place_needs():
    x = np.arange(256)
    assert table_luts(np.zeros(64)) == 0
    assert table_luts(x[:64] & 1) == 0  # a wire
    assert table_luts(x[:64] % 3) == 2
    assert table_luts(x[:128] % 3) == 4
    assert table_luts(x % 3) == 8
    assert table_luts((x & 3) % 3) == 2
    assert table_luts(-(x[:64] % 3)) == 2
    assert table_luts([0, 1, 2, 4, 3]) == 3  # what lies behind the last one is free


def test_the_files_and_the_inventory_say_so():
    graph = pruned("u3.2", "u3.1", sizes=(8, 8))  # all of its results are read
    files, plan = export_spatial(graph), plan_spatial(graph)
    found = plan.blocks[0].neurons
    assert found is not None
    told = json.loads(str(files["stream.json"]))["truth_tables"]["cast0"]
    assert told == {"tables": found.tables, "before": found.before, "after": found.after}
    line = f"// {found.tables} results are truth tables: {found.after} LUTs as estimated, {found.before} without."
    assert line in str(files["pruned_block_cast0.sv"]).splitlines()
    assert [item.kind for item in inventory(flattened(plan)) if item.block == "cast0"].count("entry") == found.tables


def test_pruned_nets_take_fewer_luts_as_estimated(monkeypatch: pytest.MonkeyPatch):
    graph, board = pruned("u3.2", "u3.1"), load_board("pynq_z2")
    with_tables = estimate(graph, board, architecture="spatial").total.lut
    monkeypatch.setattr(blocks, "with_truth_tables", lambda unit, inputs, words, function: (words, None))
    assert with_tables < 0.9 * estimate(graph, board, architecture="spatial").total.lut


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "hidden", "fan_in", "share"),
    [("u3.2", "u3.1", 2, 0.8), ("u2.1", "u2.0", 3, 0.7), ("u4.3", "u4.2", 2, 0.95)],
)
def test_pruned_nets_take_fewer_luts(
    source: str, hidden: str, fan_in: int, share: float, monkeypatch: pytest.MonkeyPatch
):
    graph = pruned(source, hidden, fan_in, (16, 16, 8))

    def area() -> int:
        files = {name: str(text) for name, text in export_spatial(graph, 0).items() if name.endswith(".sv")}
        return synthesise(files, "pruned_top", Family.XC7).area.lut

    with_tables = area()
    monkeypatch.setattr(blocks, "with_truth_tables", lambda unit, inputs, words, function: (words, None))
    assert with_tables < share * area()


@pytest.mark.slow
@pytest.mark.parametrize("depth", [0, 4])
def test_pruned_nets_under_verilator_and_as_netlists(depth: int, tmp_path: Path):
    graph = pruned("s3.2", "u3.1", sizes=(8, 8, 4))
    assert chosen(graph)
    write_tree(tmp_path / "rtl", export_spatial(graph, depth))
    codes = random_codes(graph, 200)
    expected = trace(graph, codes)
    for name, values in simulate_rtl(graph, tmp_path / "rtl", codes, scratch=tmp_path / "b").items():
        np.testing.assert_array_equal(values, expected[name], strict=True, err_msg=name)
    found = simulate_netlist(graph, tmp_path / "rtl", codes[:32])
    for name, values in found.items():
        np.testing.assert_array_equal(values, expected[name][:32], strict=True, err_msg=name)
    assert set(found) == set(graph.outputs)
