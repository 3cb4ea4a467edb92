"""The hls4ml project as text: precisions, order, what is rewritten and what is refused. tests/simulation runs it."""

from __future__ import annotations

import hashlib
import itertools
import re
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from flow.errors import ExportError, GraphError
from flow.exporters.hls.types import fixed_type
from flow.exporters.hls4ml import export_hls4ml, node_layers, reasons
from flow.exporters.hls4ml.layers import HANDLERS, plan
from flow.exporters.hls4ml.rewrite import rewrite
from flow.formats import FixedPoint, Minifloat, Overflow, Rounding
from flow.ir import (
    Add,
    Conv2d,
    Dense,
    Flatten,
    Graph,
    Input,
    MatMul,
    Relu,
    Requantize,
    RequantizeEach,
    RequantizeMinifloat,
    Reshape,
    ScaleShift,
    Softmax,
    Tensor,
    Transpose,
    Upsample,
    trace,
)
from tests.graphs import fmt, mlp_graph, random_codes, random_graph, random_tensor, resnet_graph
from tests.ir.every_operator import every_operator
from tests.ir.strategies import SINGLE


def assert_rewritten(graph: Graph, codes: np.ndarray) -> Graph:
    """Every node keeps its codes and its binary point, and what comes out has operators of hls4ml only."""
    made = rewrite(graph)
    expected, actual = trace(graph, codes), trace(made, codes)
    for name, value in expected.items():
        np.testing.assert_array_equal(actual[name], value, strict=True, err_msg=name)
        assert made.values[name].format.frac == graph.values[name].format.frac
        assert made.values[name].shape == graph.values[name].shape
    assert {type(node) for node in made} <= set(HANDLERS)
    assert all(node.groups in (1, node.weight.shape[0]) for node in made if isinstance(node, Conv2d))
    return made


@settings(max_examples=150, deadline=None)
@given(
    graph=st.one_of(*(held for operator, held in SINGLE.items() if operator is not Softmax)), seed=st.integers(0, 99)
)
def test_rewriting_keeps_every_code(graph: Graph, seed: int):
    assert_rewritten(graph, random_codes(graph, 20, seed))


def test_rewriting_of_whole_graphs():
    count = 0
    for graph in (expressible(every_operator()), resnet_graph(), *(random_graph(seed) for seed in range(60))):
        codes = random_codes(graph, 20)
        made = assert_rewritten(graph, codes)
        count += len(made)
        assert len(plan(made).layers) >= len(made)
    assert count > 700


def test_what_hls4ml_has_is_left_alone():
    assert rewrite(mlp_graph()) == mlp_graph()


def test_files_of_a_project():
    graph = mlp_graph()
    files = export_hls4ml(graph, random_codes(graph, 3))
    own = {name for name in files if not name.startswith(("firmware/nnet_utils/", "firmware/ap_types/"))}
    weights = {f"firmware/weights/{letter}{i}.{end}" for letter in "wb" for i in (2, 5, 8) for end in ("h", "txt")}
    assert own == weights | {
        *("build_lib.sh", "build_opt.tcl", "build_prj.tcl", "project.tcl", "vivado_synth.tcl", "hls4ml_config.yml"),
        *("firmware/defines.h", "firmware/mlp_top.cpp", "firmware/mlp_top.h", "firmware/parameters.h"),
        *(
            "mlp_top_bridge.cpp",
            "mlp_top_test.cpp",
            "tb_data/tb_input_features.dat",
            "tb_data/tb_output_predictions.dat",
        ),
    }
    assert not any(name.startswith("tb_data") for name in export_hls4ml(graph))
    assert node_layers(graph) == {
        **{name: name for name in ("fc1", "fc2", "fc3", "relu1", "relu2")},
        "input": "input_n",
        "fc1.out": "fc1_out",
        "fc2.out": "fc2_out",
    }


def typedefs(files: dict[str, str | bytes]) -> dict[str, str]:
    text = bytes(files["firmware/defines.h"]).decode()
    return {name: kind for kind, name in re.findall(r"typedef (.*) (\w+);", text)}


def written(form: FixedPoint, *modes: str) -> str:
    """A type as hls4ml writes it: without blanks, and with the saturated bits where there are modes."""
    return fixed_type(form, *modes, *(["0"] if modes else [])).replace(", ", ",")


def test_every_precision_is_the_graphs():
    """The types of inputs, weights, biases, accumulators and results; `table_t` belongs to functions never called."""
    graph = mlp_graph()
    exact = {name: written(value.format) for name, value in graph.values.items()}
    cast = written(fmt("u6.3"), "AP_RND", "AP_SAT")
    found = {name: kind for name, kind in typedefs(export_hls4ml(graph)).items() if not name.endswith("table_t")}
    assert found == {
        "input_t": written(fmt("u6.5"), "AP_RND", "AP_SAT"),
        **{f"fc{i}_weight_t": written(fmt("s6.6")) for i in (1, 2, 3)},
        **{f"fc{i}_bias_t": written(fmt("s6.5")) for i in (1, 2, 3)},
        **{f"fc{i}_accum_t": exact[f"fc{i}"] for i in (1, 2, 3)},
        "layer2_t": exact["fc1"],
        "layer3_t": exact["relu1"],
        "layer4_t": cast,
        "layer5_t": exact["fc2"],
        "layer6_t": exact["relu2"],
        "layer7_t": cast,
        "result_t": exact["fc3"],
        **{f"layer{i}_index": "ap_uint<1>" for i in (2, 5, 8)},
    }
    assert exact["fc1"] == "ap_fixed<17,6>"


def test_no_default_precision_is_there_to_fall_back_on():
    for graph in (mlp_graph(), resnet_graph(), expressible(every_operator())):
        files = export_hls4ml(graph)
        config = yaml.safe_load(files["hls4ml_config.yml"])["HLSConfig"]
        assert config["Model"] == {"ReuseFactor": 1, "Strategy": "latency"}
        assert all("result" in layer["Precision"] for layer in config["LayerName"].values())
        assert not re.search(r"\bauto\b|default_t\b", bytes(files["firmware/defines.h"]).decode())


def expressible(graph: Graph) -> Graph:
    """The same graph with WRAP in place of WRAP_SM, which hls4ml lacks, and without shares, which nobody reads."""
    nodes = tuple(
        replace(node, overflow=Overflow.WRAP)
        if isinstance(node, Requantize) and node.overflow is Overflow.WRAP_SM
        else node
        for node in graph
        if not isinstance(node, Softmax)
    )
    return Graph(graph.name, nodes, tuple(name for name in graph.outputs if not isinstance(graph[name], Softmax)))


def test_weights_are_on_their_grid_and_no_layer_is_distributed_arithmetic():
    """hls4ml's distributed arithmetic multiplies by the weights before rounding: off the grid it has other bits."""
    graph = mlp_graph()
    files = export_hls4ml(graph)
    for index, name in ((2, "fc1"), (5, "fc2"), (8, "fc3")):
        node = graph[name]
        assert isinstance(node, Dense)
        for letter, codes, form in (
            ("w", node.weight.codes.T, node.weight.format),
            ("b", node.bias.codes, fmt("s6.5")),
        ):
            written = bytes(files[f"firmware/weights/{letter}{index}.txt"]).decode().split(", ")
            assert [Fraction(text) for text in written] == [int(code) * form.step for code in codes.ravel()]
    strategies = set(
        re.findall(rb"nnet::(latency|resource|distributed_arithmetic);", bytes(files["firmware/parameters.h"]))
    )
    assert strategies == {b"latency"}


def test_the_only_softmax_is_the_one_without_tables():
    """hls4ml's softmax cuts wide logits to the ten top bits of a table; only its argmax reads whole codes."""
    text = bytes(export_hls4ml(expressible(every_operator()))["firmware/parameters.h"]).decode()
    assert re.findall(r"softmax_implementation::(\w+);", text) == ["argmax"]


def test_shares_are_refused_by_name():
    source = Input(name="x", shape=(2, 3), format=fmt("s6.3"))
    nodes = (source, Softmax(name="y", inputs=("x",), axis=1, mantissa=8, origin="block.attn"))
    with pytest.raises(ExportError) as caught:
        export_hls4ml(Graph("shares", nodes, ("y",)))
    assert str(caught.value) == (
        "hls4ml cannot compute 1 of the 2 nodes of design 'shares' bit for bit - 'y' (softmax, module block.attn): "
        "hls4ml's softmax reads ten bits of a logit, and nothing else of it adds numbers of different exponents - so "
        "change them, or export without hls4ml."
    )


def test_outputs_stand_in_the_order_of_the_arguments():
    """hls4ml sorts them by name, and its `link_existing_project` then fills the wrong buffers."""
    files = export_hls4ml(resnet_graph())
    declared = re.search(r"void resnet_top\(\s*(.*?)\s*\)", bytes(files["firmware/resnet_top.h"]).decode(), re.S)
    assert declared
    arguments = re.findall(r"(\w+)\[", declared[1])[1:]
    assert list(yaml.safe_load(files["hls4ml_config.yml"])["OutputShapes"]) == arguments


def image_graph(channels: int) -> Graph:
    """An image cast per channel, scaled by 1, cast to its own format, and made again from its flat codes."""
    ones = Tensor(np.ones(channels, dtype=np.int64), fmt("u1.0"))
    rng = np.random.default_rng(0)
    size = channels * 6
    fracs, widths = (Tensor(np.arange(channels).reshape(-1, 1, 1) % 2 + least, fmt("u3.0")) for least in (0, 3))
    nodes = (
        Input(name="x", shape=(channels, 2, 3), format=fmt("s4.1")),
        Relu(name="relu", inputs=("x",)),
        RequantizeEach(name="each", inputs=("x",), fracs=fracs, widths=widths, signed=True),
        Add(name="sum", inputs=("relu", "each")),
        ScaleShift(
            name="once", inputs=("sum",), scale=ones, shift=Tensor(np.zeros(channels, dtype=np.int64), fmt("u1.0"))
        ),
        Requantize(name="same", inputs=("once",), format=fmt("s5.1"), rounding=Rounding.TRN, overflow=Overflow.WRAP),
        Flatten(name="flat", inputs=("same",)),
        Dense(name="fc", inputs=("flat",), weight=random_tensor(rng, (size, size), "s3.2")),
        Reshape(name="again", inputs=("fc",), shape=(channels, 3, 2)),
        Flatten(name="row", inputs=("again",)),
        Dense(name="last", inputs=("row",), weight=random_tensor(rng, (2, size), "s3.2")),
    )
    return Graph("image", nodes, ("last", "flat", "again", "x", "same", "once", "sum"))


def test_a_transposition_never_stands_behind_its_opposite():
    """hls4ml moves a transposition into the weights of a Dense layer behind it without a look at its order."""
    kinds = {layer.name: layer for layer in plan(rewrite(image_graph(3))).layers}
    for layer in kinds.values():
        if layer.kind == "Transpose":
            assert all(kinds[name].kind != "Transpose" for name in layer.inputs)
            readers = [other for other in kinds.values() if layer.name in other.inputs]
            assert layer.attributes["perm"] == [1, 2, 0] or len(readers) <= 1
    assert [layer.kind for layer in plan(rewrite(image_graph(1))).layers].count("Transpose") == 0


@pytest.mark.parametrize("make", [mlp_graph, resnet_graph])
def test_the_same_bytes_twice(make):
    codes = random_codes(make(), 4)
    one, two = export_hls4ml(make(), codes), export_hls4ml(make(), codes)
    assert one == two
    assert list(one) == list(two)


def test_the_same_bytes_under_another_hash_seed():
    program = (
        "import hashlib; from flow.exporters.hls4ml import export_hls4ml; from tests.graphs import mlp_graph;"
        "print(hashlib.sha256(repr(list(export_hls4ml(mlp_graph()).items())).encode()).hexdigest())"
    )
    run = subprocess.run([sys.executable, "-c", program], env={"PYTHONHASHSEED": "7"}, capture_output=True, check=True)
    here = hashlib.sha256(repr(list(export_hls4ml(mlp_graph()).items())).encode()).hexdigest()
    assert run.stdout.decode().strip() == here


def test_nothing_of_this_machine_or_day_is_written():
    for name, content in export_hls4ml(resnet_graph(), random_codes(resnet_graph(), 3)).items():
        text = content if isinstance(content, str) else content.decode()
        assert not re.search(r"/(home|root|tmp|work|usr)/|20\d\d-\d\d-\d\d", text), name


def test_hls4ml_is_imported_only_to_export():
    program = "import sys, flow.exporters.hls4ml; sys.exit('hls4ml' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def refused_graph() -> Graph:
    wide = Tensor(np.array([[1 << 54, 1, 3]]), fmt("s56.20"))
    ones = Tensor(np.ones(3, dtype=np.int64), FixedPoint(2, 0))
    nodes = (
        Input(name="x", shape=(3,), format=fmt("s20.4")),
        Requantize(name="fold", inputs=("x",), format=fmt("s4.1"), overflow=Overflow.WRAP_SM, origin="body.act"),
        Requantize(name="bit", inputs=("fold",), format=fmt("s1.1"), overflow=Overflow.SAT_SYM),
        RequantizeEach(name="each", inputs=("fold",), fracs=ones, widths=ones, signed=True, overflow=Overflow.SAT_SYM),
        RequantizeMinifloat(name="mini", inputs=("x",), minifloat=Minifloat.parse("e3m2")),
        Dense(name="fc", inputs=("bit",), weight=wide, origin="head"),
        ScaleShift(name="bn", inputs=("mini",), scale=ones, shift=ones),
        Relu(name="fine", inputs=("bn",)),
    )
    return Graph("hard", nodes, ("fine", "fc", "each"))


def test_every_reason_is_in_one_message():
    graph = refused_graph()
    with pytest.raises(ExportError) as caught:
        export_hls4ml(graph)
    assert str(caught.value) == (
        "hls4ml cannot compute 5 of the 8 nodes of design 'hard' bit for bit - "
        "'fold' (requantize, module body.act): hls4ml has no overflow mode WRAP_SM; "
        "'bit' (requantize): ap_fixed lets -1 through under SAT_SYM where one signed bit has the code 0 only; "
        "'each' (requantize_each): ap_fixed lets -1 through under SAT_SYM where one signed bit has the code 0 only; "
        "'mini' (requantize_minifloat): a table over its 1,048,576 input codes would exceed 65,536 entries; "
        "'fc' (dense, module head): its weight needs 55 bits, and hls4ml reads constants as doubles, which hold 53"
        " - so change them, or export without hls4ml."
    )
    assert list(reasons(graph)) == ["fold", "bit", "each", "mini", "fc"]


def test_several_inputs_are_refused():
    nodes = tuple(Input(name=name, shape=(3,), format=fmt("s4.1")) for name in "ab")
    with pytest.raises(GraphError) as caught:
        export_hls4ml(Graph("two", (*nodes, Add(name="y", inputs=("a", "b"))), ("y",)))
    assert str(caught.value) == "Graph 'two' has 2 inputs where one is needed."


def test_ports_wider_than_a_double_are_refused():
    weight = random_tensor(np.random.default_rng(0), (3, 4), "s29.30")
    nodes = (Input(name="x", shape=(4,), format=fmt("s29.-5")), Dense(name="fc", inputs=("x",), weight=weight))
    assert reasons(Graph("wide", nodes, ("fc",))) == {
        "fc": "it needs 59 bits, and hls4ml's host passes doubles, which hold 53"
    }
    fracs = Tensor(np.array([0, 60, 1]), fmt("u6.0"))
    apart = RequantizeEach(name="y", inputs=("fc",), fracs=fracs, widths=fracs, signed=True)
    assert reasons(Graph("apart", (*nodes, apart), ("fc",)))["y"] == (
        "its binary points lie 59 bits apart, and factors of hls4ml hold 53"
    )
    narrow = Requantize(name="y", inputs=("fc",), format=fmt("s40.10"))
    assert reasons(Graph("wide", (*nodes, narrow), ("y",))) == {}


def test_a_product_of_large_matrices_is_refused():
    nodes = (
        Input(name="x", shape=(16, 8), format=fmt("s4.0")),
        Transpose(name="turned", inputs=("x",), order=(1, 0)),
        MatMul(name="y", inputs=("x", "turned")),
        MatMul(name="small", inputs=("turned", "x")),
    )
    assert reasons(Graph("wide", nodes, ("y", "small"))) == {
        "y": "hls4ml has no product of two matrices, and copies for one would take 262,144 weights, over 65,536",
        "small": "hls4ml has no product of two matrices, and copies for one would take 131,072 weights, over 65,536",
    }
    narrow = (replace(nodes[0], shape=(8, 8)), *nodes[1:])
    assert reasons(Graph("narrow", narrow, ("y", "small"))) == {}


def test_upsampling_beyond_hls4mls_fractions_is_refused():
    """Its place of a neighbour, `j * ratio >> 16`, is tried for every place up to the first size that it gets wrong."""

    def reason(size: int, factor: int) -> str | None:
        source = Input(name="x", shape=(1, 1, size), format=fmt("s4.0"))
        node = Upsample(name="y", inputs=("x",), factors=(1, 1, factor))
        return reasons(Graph("wide", (source, node), ("y",))).get("y")

    for size, factor in itertools.product((1, 7, 1000, 10922, 10923, 16384, 16385), (2, 3)):
        places, ratio = np.arange(size * factor), (size << 16) // (size * factor) + 1
        exact = np.array_equal(places * ratio >> 16, places // factor)
        assert (reason(size, factor) is None) == exact
    assert reason(10923, 3) == "hls4ml finds neighbours with 16 fractional bits, too few for 10923 codes 3 times"
