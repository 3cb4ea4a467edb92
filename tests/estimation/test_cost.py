import json
from dataclasses import replace

import numpy as np
import pytest

from flow.errors import ExportError
from flow.estimation import Cost, LayerCost, LayerUsage, Measured, Usage, estimate, list_boards, load_board
from flow.estimation.analytic import analytic_layers
from flow.estimation.cost import Basis
from flow.estimation.sketch import sketch
from flow.exporters.verilog import make_plan, predict
from flow.ir import OPERATORS, Concat, Dense, Graph, Input, Linear, Slice, Transpose
from flow.synthesis import Family, recipe
from tests.graphs import fmt, mlp_graph, random_graph, random_tensor, resnet_graph
from tests.ir.every_operator import every_operator

ULTRA = load_board("ultra96_v2")
KEYS = {"design", "board", "family", "architecture", "total", "utilisation", "latency_cycles", "ii_cycles", "layers",
        "measured", "error_percent"}  # fmt: skip
RESOURCES = ["lut", "ff", "dsp", "bram", "carry", "uram"]
LIMITED = [key for key in RESOURCES if key != "carry"]


def fold_mlp(pe: int, simd: int) -> dict[str, tuple[int, int]]:
    return {"fc1": (pe, simd), "fc2": (pe, pe), "fc3": (2, pe)}


@pytest.mark.parametrize("graph", [mlp_graph(), resnet_graph()], ids=["dense", "images"])
@pytest.mark.parametrize("board", list_boards())
def test_the_json_has_what_other_programs_rely_on(graph, board):
    written = json.loads(json.dumps(estimate(graph, load_board(board)).to_json(), allow_nan=False))
    assert written.keys() >= KEYS
    assert (written["design"], written["board"], written["architecture"]) == (graph.name, board, "stream")
    assert list(written["total"]) == RESOURCES
    assert [list(written[key]) for key in ("utilisation", "ceilings", "capacity")] == [LIMITED] * 3
    assert written["fmax_mhz"] > 20
    assert "nextpnr" in written["fmax_basis"]
    assert ("no place and route" in written["fmax_basis"]) is (written["family"] != "ecp5")
    assert (written["measured"], written["error_percent"]) == (None, {})
    assert [layer["name"] for layer in written["layers"]] == [node.name for node in graph]
    for layer in written["layers"]:
        assert layer.keys() >= {"name", "op", *RESOURCES, "cycles"}
        assert layer["basis"] == Basis.RTL.value
    for key in RESOURCES:
        assert written["total"][key] == sum(layer[key] for layer in written["layers"])
    sites = written["total"]["lut"] + {"ecp5": 2, "gowin": 1}.get(written["family"], 0) * written["total"]["carry"]
    for key, used in {**{key: written["total"][key] for key in LIMITED}, "lut": sites}.items():
        held = written["capacity"][key]
        assert written["utilisation"][key] == (round(100 * used / held, 2) if used else 0.0)


@pytest.mark.parametrize("spatial", [True, False])
def test_every_operator_in_any_graph_has_a_cost(spatial):
    operators = set()
    for seed in range(40):
        graph = random_graph(seed, spatial=spatial)
        cost = estimate(graph, ULTRA)
        operators |= {node.op for node in graph}
        assert len(cost.layers) == len(graph)
        for layer, node in zip(cost.layers, graph, strict=True):
            live = layer.cycles > 0
            assert layer.usage.lut >= 0
            assert not (live and isinstance(node, Linear) and layer.usage.lut == 0), (graph.name, node.name)
    assert len(operators) == (11 if spatial else 6 - 1)


def test_every_operator_has_a_sketch():
    """Only wires, and what a cast swallows, may cost no logic."""
    graph = every_operator()
    graph = replace(graph, outputs=tuple(node.name for node in graph if not isinstance(node, Input)))
    cost = estimate(graph, ULTRA)
    assert {layer.op for layer in cost.layers} == set(OPERATORS)
    assert {layer.op for layer in cost.layers if layer.usage.lut < 1} <= {"flatten", "reshape", "relu"}
    assert all(layer.cycles > 0 for layer in cost.layers)


@pytest.mark.parametrize(("size", "blocks"), [(8, False), (512, True)])
def test_a_transposition_holds_two_samples_and_a_join_all_parts_but_the_first(size, blocks):
    nodes = (
        Input(name="x", shape=(2, size), format=fmt("s8.2")),
        Transpose(name="turned", inputs=("x",), order=(1, 0)),
        Slice(name="cut", inputs=("turned",), starts=(0, 0), stops=(size, 2), steps=(2, 1)),
        Concat(name="both", inputs=("turned", "turned"), axis=0),
    )
    drawn = sketch(Graph("moves", nodes, ("cut", "both")))
    layers = {layer.name: layer.usage for layer in analytic_layers(drawn, ULTRA.family)}
    assert layers["turned"].bram == 2 * layers["both"].bram
    assert (layers["both"].bram > 0) is blocks
    assert layers["cut"].bram == 0
    assert all(usage.lut > 0 and usage.ff > 0 for usage in layers.values())


def test_cycles_are_the_exporters_prediction():
    graph = mlp_graph()
    timing, cost = predict(make_plan(graph)), estimate(graph, ULTRA)
    assert (cost.latency_cycles, cost.ii_cycles) == (timing.latency_cycles, timing.ii_cycles) == (166, 64)
    assert {layer.name: layer.cycles for layer in cost.layers} == timing.stages


def test_nodes_that_no_output_needs_cost_nothing():
    graph = mlp_graph()
    short = Graph("short", graph.nodes, ("fc1",))
    cost = estimate(short, ULTRA)
    assert [layer.name for layer in cost.layers if layer.usage.lut] == ["input", "fc1"]
    assert cost.total.lut < estimate(graph, ULTRA).total.lut


@pytest.mark.parametrize("resource", ["lut", "ff"])
def test_more_lanes_cost_more_and_take_fewer_cycles(resource):
    costs = [
        estimate(mlp_graph(), ULTRA, folding=fold_mlp(*fold)) for fold in ((1, 1), (2, 2), (4, 4), (8, 8), (16, 16))
    ]
    used = [getattr(cost.total, resource) for cost in costs]
    assert used == sorted(used)
    assert len(set(used)) == 5
    assert [cost.ii_cycles for cost in costs] == [2048, 512, 128, 32, 10]


def test_wider_codes_cost_more():
    def cost(width: int) -> float:
        weight = random_tensor(np.random.default_rng(0), (8, 16), f"s{width}.3")
        source = Input(name="x", shape=(16,), format=fmt(f"u{width}.3"))
        graph = Graph("wide", (source, Dense(name="y", inputs=("x",), weight=weight)), ("y",))
        return estimate(graph, ULTRA, folding={"y": (2, 4)}).total.lut

    used = [cost(width) for width in range(2, 13)]
    assert used == sorted(used)
    assert len(set(used)) == 11


def test_long_weight_memories_become_block_ram():
    cost = estimate(mlp_graph(sizes=(256, 64, 10)), ULTRA, folding={"fc1": (4, 8), "fc2": (2, 4)})
    assert cost.layers[1].usage.bram == 3.0  # 512 lines of 192 bits: six halves of 36 bits
    assert cost.to_json()["total"]["bram"] == cost.total.bram


def test_a_folding_of_a_convolution_must_divide_it():
    with pytest.raises(ExportError) as caught:
        estimate(resnet_graph(), ULTRA, folding={"stem": (3, 1), "block": (1, 1), "fc": (1, 1)})
    assert str(caught.value) == (
        "Conv2d 'stem' (8 x 9) cannot be folded to PE 3 and SIMD 1: PE must divide 8, and SIMD must divide 1 and equal "
        "the 1 lanes of 'input'."
    )
    with pytest.raises(ExportError) as caught:
        estimate(resnet_graph(), ULTRA, folding={"stem": (1, 1), "block": (1, 1)})
    assert str(caught.value) == "Dense 'fc' has no folding; give it a PE that divides 10."


def test_a_given_folding_of_a_convolution_is_used():
    folding = {"stem": (8, 1), "block": (8, 8), "fc": (1, 8)}
    cost = estimate(resnet_graph(), ULTRA, folding=folding)
    assert {layer.name: (layer.pe, layer.simd) for layer in cost.layers if layer.name in folding} == folding
    assert [layer.cycles for layer in cost.layers if layer.name == "block"] == [64 * 9]
    assert cost.ii_cycles == 64 * 9
    assert cost.total.lut > estimate(resnet_graph(), ULTRA).total.lut


def test_an_unknown_architecture_is_refused():
    with pytest.raises(ExportError) as caught:
        estimate(mlp_graph(), ULTRA, architecture="systolic")
    assert str(caught.value) == "There is no architecture 'systolic'; choose among stream, spatial."


def _cost(**usage: float) -> Cost:
    return Cost("d", ULTRA, "stream", (LayerCost("a", "dense", Usage(**usage), 3),), 9, 3)


def test_large_memories_are_block_rams_since_no_recipe_asks_for_ultrarams():
    steps = [step for family in Family for dsp in (False, True) for step in recipe(family, dsp=dsp)]
    assert sum("synth_xilinx" in step for step in steps) == 2 * 2 * 3
    assert not any("uram" in step for step in steps)
    board = load_board("kv260")
    assert board.resources.uram == 64
    slow = {"fc1": (1, 1), "fc2": (1, 1)}
    total = estimate(mlp_graph(sizes=(256, 128, 10)), board, folding=slow).total
    assert (total.uram, total.bram) == (0, 5.5)


def test_use_above_a_ceiling_is_named():
    assert _cost(lut=1000).over == ()
    full = _cost(lut=0.7 * 70560 + 1, dsp=360)
    assert full.over == ("lut", "dsp")
    assert full.to_json()["over"] == ["lut", "dsp"]
    assert full.utilisation["dsp"] == 100.0


def test_errors_are_percent_of_the_measurement():
    measured = Measured(
        "Yosys", "synth", Usage(200, 50, 0, 2.5), (LayerUsage("a", "dense", Usage(190, 50, 0, 2.5)),), 1.25
    )
    beside = _cost(lut=210, ff=45, dsp=1, bram=2.5).beside(measured)
    assert beside.error_percent == {"lut": 5.0, "ff": -10.0, "dsp": None, "bram": 0.0, "carry": 0.0, "uram": 0.0}
    written = beside.to_json()["measured"]
    rest = {"ff": 50, "dsp": 0, "bram": 2.5, "carry": 0, "uram": 0}
    assert written["total"] == {"lut": 200, **rest}
    assert written["layers"] == [{"name": "a", "op": "dense", "lut": 190, **rest}]
    assert (written["tool"], written["recipe"], written["seconds"]) == ("Yosys", "synth", 1.25)


def test_dsps_by_name_are_for_streaming_designs():
    with pytest.raises(ExportError) as caught:
        estimate(mlp_graph(), ULTRA, architecture="spatial", dsp={"fc1": True})
    assert str(caught.value) == (
        "Option dsp of a spatial design is a count of DSPs that it may have, from 0, not {'fc1': True}."
    )
