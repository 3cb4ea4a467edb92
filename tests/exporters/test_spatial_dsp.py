"""Products of a spatial design in DSPs: the same codes, never more DSPs than asked for, as many as synthesis finds."""

from __future__ import annotations

import json

import numpy as np
import pytest

from flow.errors import ExportError
from flow.estimation import estimate, load_board
from flow.exporters.verilog import check_options, export_architecture
from flow.exporters.verilog.products import dsp_parameters
from flow.exporters.verilog.spatial import export_spatial, plan_spatial
from flow.exporters.verilog.spatial.adder_graph import solve
from flow.exporters.verilog.spatial.dsp import Shared
from flow.exporters.verilog.spatial.products import product
from flow.exporters.verilog.spatial.words import Unit
from flow.ir import Dense, Graph, Input, Tensor
from flow.stages.pace import with_folding
from flow.synthesis import synthesise
from tests.exporters.test_spatial import computed, equal
from tests.graphs import fmt, mlp_graph


def dsps(graph: Graph, *, dsp: int, adder: bool, depth: int = 4) -> int:
    """How many a design has, which computes what the interpreter does."""
    plan = plan_spatial(graph, depth, dsp, adder)
    assert equal(graph, 40, 0, plan=plan) > 0
    return sum(block.choice.multiplied for block in plan.blocks if block.choice)


@pytest.mark.parametrize("adder", [True, False])
@pytest.mark.parametrize("sizes", [(6, 8, 4), (16, 8, 4)])
def test_codes_are_those_of_the_interpreter(sizes: tuple[int, ...], adder: bool):
    counts = [dsps(mlp_graph(sizes=sizes), dsp=dsp, adder=adder) for dsp in (0, 1, 3, 100)]
    assert counts[0] == 0
    assert 0 < counts[3] <= sum(sizes[1:])
    assert all(count <= asked for count, asked in zip(counts, (0, 1, 3), strict=False))


def test_any_products_of_any_words():
    """Signs of inputs and factors, sums that are longer than expected, columns of which nothing else is left."""
    rng = np.random.default_rng(5)
    made = 0
    for _ in range(60):
        ends = [tuple(sorted(rng.choice(np.arange(-64, 64), 2, replace=False).tolist())) for _ in range(3)]
        matrix = rng.integers(-40, 40, (3, 4))
        shared = [Shared(0, (0, 1)), Shared(int(rng.integers(3)), (3,))]
        unit = Unit()
        x = [unit.input(8 * i, *pair) for i, pair in enumerate(ends)]
        words = product(unit, x, matrix, shared=shared)
        codes = np.stack([rng.integers(low, high, 50, endpoint=True) for low, high in ends], axis=1)
        found = computed(unit, words, {8 * i: codes[:, i] for i in range(3)}, 50)
        np.testing.assert_array_equal(np.stack(found, axis=1), codes @ matrix)
        made += sum(unit.ops[word.index].kind == "multiplied" for word in unit.reachable(words))
    assert made > 60


def test_parts_of_a_graph_add_up_to_those_of_its_columns():
    matrix, ends = np.random.default_rng(0).integers(-32, 32, (8, 6)), [(-8, 7)] * 8
    graph = solve(matrix, ends)
    np.testing.assert_allclose(graph.parts(ends).sum(axis=0), graph.shares(ends))
    assert graph.parts(ends).sum() == pytest.approx(graph.cost(ends)) and graph.cost(ends) > 100


def test_what_is_no_smaller_stays_in_logic():
    """Powers of two are shifts; what a DSP does not add is an addition outside."""
    weight = Tensor(np.array([[1, 2], [-4, 8]]), fmt("s5.0"))
    source = Input(name="x", shape=(2,), format=fmt("u4.0"))
    graph = Graph("few", (source, Dense(name="y", inputs=("x",), weight=weight)), ("y",))
    assert dsps(graph, dsp=4, adder=False) == 0
    assert export_spatial(graph) == export_spatial(graph, dsp=0, adder=False)


@pytest.mark.slow
@pytest.mark.parametrize(("board", "adder"), [("pynq_z2", True), ("ultra96_v2", False)])
def test_synthesis_finds_as_many_as_were_estimated(board: str, adder: bool):
    graph = mlp_graph(sizes=(4, 6))
    options = with_folding(graph, {"architecture": "spatial", "dsp": 2, "board": board})
    assert options == {"architecture": "spatial", "dsp": 2, "adder": adder}
    files = export_architecture(graph, **options)
    sources = {name: str(text) for name, text in files.items() if name.endswith(".sv")}
    area = synthesise(sources, json.loads(str(files["stream.json"]))["top"], load_board(board).family).area
    cost = estimate(graph, load_board(board), **options).total
    assert 2 >= cost.dsp == area.dsp > 0
    assert cost.lut == pytest.approx(area.lut, rel=0.12)
    assert cost.ff == pytest.approx(area.ff, rel=0.05)


@pytest.mark.parametrize("dsp", [-1, True, 1.5])
def test_a_number_of_dsps_that_is_none(dsp: object):
    with pytest.raises(ExportError) as caught:
        check_options({"architecture": "spatial", "dsp": dsp})
    assert (
        str(caught.value) == f"Option dsp of a spatial design is a count of DSPs that it may have, from 0, not {dsp!r}."
    )


def test_a_streaming_design_has_no_number_of_dsps():
    with pytest.raises(ExportError) as caught:
        dsp_parameters(1)
    assert str(caught.value) == (
        "Option dsp of a streaming design is false, true, 'dsp48e1' or 'dsp48e2' (as many products to a DSP as its "
        "port of 25 or 27 bits holds), not 1."
    )


@pytest.mark.parametrize(
    ("board", "dsp", "message"),
    [
        ("pynq_z2", 221, "pynq_z2 has 220 DSPs, not 221; ask for fewer."),
        ("ulx3s_85f", 1, "The DSPs of a spatial design are DSP48; ulx3s_85f has none. Leave out --dsp."),
    ],
)
def test_a_board_without_such_dsps(board: str, dsp: int, message: str):
    with pytest.raises(ExportError) as caught:
        with_folding(mlp_graph(sizes=(3, 2)), {"architecture": "spatial", "dsp": dsp, "board": board})
    assert str(caught.value) == message
