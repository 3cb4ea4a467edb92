"""The streaming exporter: its files, the choice of folding against brute force, and what it refuses."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import replace

import numpy as np
import pytest

from flow.errors import ExportError
from flow.exporters.verilog import Folding, choose_folding, export_verilog, make_plan, predict
from flow.exporters.verilog.folding import default_target
from flow.exporters.verilog.layer import pack
from flow.exporters.verilog.plan import draft_plan
from flow.exporters.verilog.timing import stage_cycles
from flow.formats import Minifloat
from flow.ir import (
    ArgMax,
    AvgPool2d,
    Conv2d,
    Dense,
    Flatten,
    Graph,
    Input,
    MaxPool2d,
    Node,
    Relu,
    Requantize,
    RequantizeMinifloat,
    Slice,
    Tensor,
)
from tests.graphs import fmt, mlp_graph, random_graph, random_tensor, resnet_graph


def forked_graph() -> Graph:
    """One hidden layer read by two Dense; three outputs, one of them also read inside."""
    rng = np.random.default_rng(5)
    return Graph(
        "forked",
        (
            Input(name="x", shape=(2, 3), format=fmt("s4.2")),
            Flatten(name="flat", inputs=("x",)),
            Dense(name="hidden", inputs=("flat",), weight=random_tensor(rng, (4, 6), "s4.3")),
            Relu(name="relu", inputs=("hidden",)),
            Requantize(name="cast", inputs=("relu",), format=fmt("u4.2")),
            Dense(name="a", inputs=("cast",), weight=random_tensor(rng, (6, 4), "s5.1")),
            Dense(name="b", inputs=("cast",), weight=random_tensor(rng, (3, 4), "u2.1")),
            ArgMax(name="class", inputs=("a",)),
            Relu(name="dead", inputs=("b",)),
        ),
        ("cast", "class", "b"),
    )


def test_the_same_graph_gives_the_same_bytes():
    assert export_verilog(mlp_graph()) == export_verilog(mlp_graph())
    assert export_verilog(mlp_graph(seed=1)) != export_verilog(mlp_graph())


def test_files_of_the_mlp():
    files = export_verilog(mlp_graph())
    listed = str(files["filelist.f"]).split()
    assert listed == [name for name in files if name.endswith(".sv")]
    assert listed[0] == "cells/flow_pkg.sv" and listed[-1] == "mlp_top.sv"
    assert "cells/flow_argmax.sv" not in listed and "cells/flow_dot.sv" in listed
    meta = json.loads(files["stream.json"])
    assert (meta["ii_cycles"], meta["latency_cycles"]) == (64, 166)
    layer = next(entry for entry in meta["streams"] if entry["node"] == "fc1")
    assert (layer["pe"], layer["simd"], layer["cycles"], layer["beats"], layer["signed"]) == (4, 8, 64, 8, True)
    assert not re.search(r"/(work|tmp|home)/|\d{4}-\d\d-\d\d", "".join(str(text) for text in files.values()))


def test_rom_lines_hold_the_weights():
    graph = mlp_graph(sizes=(6, 4, 2))
    text = str(export_verilog(graph, {"fc1": (2, 3), "fc2": (1, 2)})["mlp_rom_fc1.sv"])
    lines = [int(line, 16) for line in re.findall(r"lines\[\d+\] = 36'h([0-9a-f]+);", text)]
    weight = graph["fc1"].weight.codes
    blocks = [weight[n : n + 2, s : s + 3] for n in (0, 2) for s in (0, 3)]
    assert lines == [pack(block.ravel().tolist(), 6) for block in blocks]


def test_dead_nodes_are_left_out_and_forks_are_there():
    files = export_verilog(forked_graph())
    top = str(files["forked_top.sv"])
    assert "dead" not in {entry["node"] for entry in json.loads(files["stream.json"])["streams"]}
    assert ".Ways(3)" in top
    for port in ("m_axis_cast_tdata", "m_axis_class_n_tdata", "m_axis_b_tdata"):
        assert port in top


HOSTILE = ["x;\nendmodule", "Ünï", "top", "clk_i", "$(rm -rf)", "flow_dot", "verilator lint_off WIDTH", "*/ initial"]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_become_identifiers_and_ascii_comments(name):
    weight = Tensor(np.ones((2, 2)), fmt("s2.0"))
    nodes = (
        Input(name="x", shape=(2,), format=fmt("u2.0")),
        Dense(name=name, inputs=("x",), weight=weight, origin=name),
    )
    texts = {path: str(text) for path, text in export_verilog(Graph("flow", nodes, (name,))).items()}
    made = {path: text for path, text in texts.items() if path.endswith(".sv") and not path.startswith("cells/")}
    assert len(made) == 3
    for path, text in made.items():
        assert text.isascii() and path.isascii() and re.fullmatch(r"\w+\.sv", path)
        assert not re.search(r"//\s*verilator", text)
        code = re.sub(r"//.*", "", text)
        assert len(re.findall(r"\bendmodule\b", code)) == 1 and not re.search(r"rm -rf|initial\s+'", code)


def brute_force(graph: Graph, layers: list[str], target: int) -> int:
    """The least cost over every PE of every layer of a chain and every lane count of its input."""
    shapes = [graph[name].weight.shape for name in layers]
    best = []
    for lanes in range(1, shapes[0][1] + 1):
        for pes in itertools.product(*(range(1, outputs + 1) for outputs, _ in shapes)):
            simds = (lanes, *pes[:-1])
            if any(o % p or i % s for (o, i), p, s in zip(shapes, pes, simds, strict=True)):
                continue
            cycles = [(o // p) * (i // s) for (o, i), p, s in zip(shapes, pes, simds, strict=True)]
            if max(cycles) <= target and shapes[0][1] // lanes <= target:
                best.append(sum(p * (s + 1) for p, s in zip(pes, simds, strict=True)))
    return min(best)


@pytest.mark.parametrize("target", [1, 2, 5, 16, 64, 10_000])
@pytest.mark.parametrize("sizes", [(12, 8, 6), (8, 9, 10, 4), (7, 5), (16, 16, 10)])
def test_folding_is_the_cheapest_there_is(sizes, target):
    graph = mlp_graph(sizes=sizes)
    chosen = choose_folding(graph, target)
    layers = [f"fc{i}" for i in range(1, len(sizes))]
    assert list(chosen) == layers
    assert predict(make_plan(graph, {n: (f.pe, f.simd) for n, f in chosen.items()})).ii_cycles <= target
    assert sum(fold.cost for fold in chosen.values()) == brute_force(graph, layers, target)


def test_default_folding_of_the_demo():
    assert choose_folding(mlp_graph()) == {"fc1": Folding(4, 8), "fc2": Folding(4, 4), "fc3": Folding(2, 4)}


@pytest.mark.parametrize("seed", range(12))
def test_random_graphs_fold_and_export(seed):
    graph = random_graph(seed, spatial=False)
    plan = make_plan(graph)
    assert predict(plan).ii_cycles <= 64
    assert all(stream.lanes * stream.beats == stream.value.size for stream in plan.streams.values())


def refusal(graph: Graph, folding=None) -> str:
    with pytest.raises(ExportError) as caught:
        export_verilog(graph, folding)
    return str(caught.value)


def image_graph(*nodes: Node) -> Graph:
    return Graph("g", (Input(name="x", shape=(2, 4, 4), format=fmt("u2.0")), *nodes), (nodes[-1].name,))


def test_parameters_that_the_cells_do_not_have_are_named():
    pool = AvgPool2d(name="p", inputs=("x",), kernel=(1, 1), stride=(1, 1), scale=Tensor(np.array(2**31), fmt("u32.0")))
    assert refusal(image_graph(replace(pool, origin="features.0"))) == (
        "Node 'p' (from 'features.0') scales by 2147483648, which is above 2147483647; give the factor fewer bits."
    )
    wide = RequantizeMinifloat(name="m", inputs=("x",), minifloat=Minifloat.parse("ue6m0"))
    assert refusal(image_graph(wide)) == (
        "Node 'm' casts to ue6m0, whose 6 exponent bits are more than the 5 that the cells have; give it fewer, or "
        "export this design with --to hls."
    )


def test_values_without_codes_are_named():
    nodes = (Input(name="x", shape=(2, 0), format=fmt("u2.0")), Relu(name="r", inputs=("x",)))
    assert refusal(Graph("empty", nodes, ("r",))) == (
        "Node 'x' has the shape (2, 0) and so no codes, which no stream can carry; leave it out."
    )


def test_lanes_that_a_move_would_tear_apart_are_named():
    weight = Tensor(np.ones((6, 8)), fmt("s2.0"))
    nodes = (
        Input(name="x", shape=(8,), format=fmt("u2.0")),
        Dense(name="d", inputs=("x",), weight=weight),
        Slice(name="s", inputs=("d",), starts=(1,), stops=(5,), steps=(1,)),
    )
    graph = Graph("cut", nodes, ("s",))
    assert make_plan(graph, {"d": (1, 2)}).streams["s"].beats == 4
    assert refusal(graph, {"d": (2, 2)}) == (
        "Node 's' (slice) moves codes one by one and cannot read streams of 2 lanes; choose another PE or SIMD for the "
        "layers before it."
    )


def test_foldings_that_do_not_fit_are_named():
    graph = mlp_graph(sizes=(8, 6, 4))
    assert refusal(graph, {"fc1": (4, 2), "fc2": (2, 4)}) == (
        "Dense 'fc1' (6 x 8) cannot be folded to PE 4 and SIMD 2: PE must divide 6, and SIMD must divide 8 and equal "
        "the 2 lanes of 'input'."
    )
    assert refusal(graph, {"fc1": (3, 2), "fc2": (2, 2)}) == (
        "Dense 'fc2' (4 x 6) cannot be folded to PE 2 and SIMD 2: PE must divide 4, and SIMD must divide 6 and equal "
        "the 3 lanes of 'fc1.out'."
    )
    assert refusal(graph, {"fc1": (3, 2)}) == "Dense 'fc2' has no folding; give it a PE that divides 4."


def test_foldings_of_images_that_do_not_fit_are_named():
    graph, fits = resnet_graph(), {"stem": (4, 1), "block": (4, 4), "fc": (2, 4)}
    assert predict(make_plan(graph, fits)).ii_cycles == 64 * 2 * 18
    assert refusal(graph, fits | {"block": (2, 4)}) == (
        "Node 'add' (add) joins streams of 2 and 4 lanes; fold the layers before it to the same PE."
    )
    assert refusal(graph, fits | {"stem": (3, 1)}) == (
        "Conv2d 'stem' (8 x 9) cannot be folded to PE 3 and SIMD 1: PE must divide 8, and SIMD must divide 1 and equal "
        "the 1 lanes of 'input'."
    )
    deep = Conv2d(name="c", inputs=("x",), weight=Tensor(np.ones((2, 1, 3, 3)), fmt("s2.0")), groups=2)
    assert make_plan(image_graph(deep), {"c": (2, 1)}).streams["c"].lanes == 2
    assert refusal(image_graph(deep), {"c": (2, 2)}) == (
        "Conv2d 'c' is depthwise and cannot be folded to PE 2 and SIMD 2: PE must equal the 2 lanes of 'x', and SIMD "
        "must be 1."
    )
    pool = MaxPool2d(name="p", inputs=("x",), kernel=(2, 2), stride=(2, 2))
    wide = Dense(name="d", inputs=("f",), weight=Tensor(np.ones((1, 8)), fmt("s2.0")))
    assert refusal(image_graph(pool, Flatten(name="f", inputs=("p",)), wide), {"d": (1, 4)}) == (
        "The stream of 'x' cannot have 4 lanes, which do not divide its 2 codes; choose another PE or SIMD for the "
        "layers beside it."
    )


def residual_cost(graph: Graph, target: int) -> int:
    """The least cost of `resnet_graph` over every choice of lanes."""
    best = []
    for lanes in (1, 2, 4, 8):
        for last in (1, 2, 5, 10):
            folding = {"stem": (lanes, 1), "block": (lanes, lanes), "fc": (last, lanes)}
            plan = draft_plan(graph, folding)
            if max(stage_cycles(plan, name) for name in plan.streams) <= target:
                best.append(sum(pe * (simd + 1) for pe, simd in folding.values()) + 2 * 2 * lanes)
    return min(best)


@pytest.mark.parametrize("target", [576, 640, 2304, 4096])
def test_folding_of_a_residual_net_is_the_cheapest_there_is(target):
    graph = resnet_graph()
    chosen = choose_folding(graph, target)
    scales = 2 * 2 * chosen["stem"].pe  # a product and an addition a lane, in both scale shifts
    assert sum(fold.cost for fold in chosen.values()) + scales == residual_cost(graph, target)


def test_a_target_that_no_folding_meets():
    with pytest.raises(ExportError) as caught:
        choose_folding(resnet_graph(), 575)
    assert str(caught.value) == (
        "Design 'resnet' takes 576 cycles a sample with all lanes it can have, more than the target of 575; ask for "
        "576 or more."
    )


@pytest.mark.parametrize("seed", range(12))
def test_random_images_fold_and_work_at_the_pace_of_their_slowest_stage(seed):
    plan = make_plan(random_graph(seed))
    timing = predict(plan)
    assert timing.ii_cycles == max(timing.stages.values()) <= default_target(plan.graph)
    assert all(stream.lanes * stream.beats == stream.value.size for stream in plan.streams.values())


def test_windows_and_layers_of_an_image_in_the_files():
    files = export_verilog(resnet_graph(size=4, channels=4))
    top = str(files["resnet_top.sv"])
    listed = str(files["filelist.f"]).split()
    assert listed == [name for name in files if name.endswith(".sv")]
    assert {f"cells/flow_{cell}.sv" for cell in ("window", "pool", "join", "scale_shift", "fork", "fifo")} <= set(
        listed
    )
    assert top.count("flow_window #(") == 4 and top.count("flow_join #(") == 1
    meta = json.loads(files["stream.json"])
    entries = {entry["node"]: entry for entry in meta["streams"]}
    assert entries["stem"]["order"] == {"shape": [4, 4, 4], "axes": [1, 2, 0]}
    assert entries["block"]["ring"] > 0 and max(entries["add"]["fifo"]) > 2


def test_a_target_below_one_cycle():
    with pytest.raises(
        ExportError, match=r"^A sample takes at least one cycle, but the target is 0; ask for 1 or more\.$"
    ):
        choose_folding(mlp_graph(), 0)


def test_a_choice_of_dsps_that_does_not_exist_is_refused():
    with pytest.raises(ExportError) as caught:
        export_verilog(mlp_graph(), dsp="dsp58")
    assert str(caught.value) == (
        "Option dsp of a streaming design is false, true, 'dsp48e1' or 'dsp48e2' (as many products to a DSP as its "
        "port of 25 or 27 bits holds), not 'dsp58'."
    )
