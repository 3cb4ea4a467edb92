from __future__ import annotations

import numpy as np
import onnx
import pytest

from flow.errors import ExportError
from flow.exporters.onnx import export_onnx
from flow.exporters.onnx_builder import IR_VERSION, OPSET
from flow.exporters.onnx_integer import traced
from flow.ir import Conv2d, Dense, Flatten, Graph, Input, Relu, Requantize, Tensor
from tests.graphs import fmt, mlp_graph, random_graph, resnet_graph


def model(graph: Graph, trace: bool = False) -> onnx.ModelProto:
    (content,) = export_onnx(graph, trace).values()
    return onnx.load_from_string(content)


def kinds(proto: onnx.ModelProto) -> set[str]:
    return {node.op_type for node in proto.graph.node}


def test_the_header_states_opset_producer_and_no_domain_but_onnx():
    proto = model(resnet_graph())
    assert [(entry.domain, entry.version) for entry in proto.opset_import] == [("", OPSET)]
    assert (proto.ir_version, proto.producer_name, proto.producer_version) == (IR_VERSION, "flow", "")
    assert {node.domain for node in proto.graph.node} == {""}
    assert proto.graph.name == "resnet"


def test_inputs_and_outputs_are_int64_codes_called_after_the_nodes():
    proto = model(resnet_graph())
    found = [
        (
            info.name,
            info.type.tensor_type.elem_type,
            [d.dim_param or d.dim_value for d in info.type.tensor_type.shape.dim],
        )
        for info in [*proto.graph.input, *proto.graph.output]
    ]
    int64 = onnx.TensorProto.INT64
    assert found == [("input", int64, ["N", 1, 8, 8]), ("fc", int64, ["N", 10]), ("class", int64, ["N", 1])]
    assert [info.doc_string for info in proto.graph.input] == ["u6.5 [0, 63]"]


def test_every_value_keeps_its_name_and_its_format_in_words():
    graph = resnet_graph()
    proto = model(graph)
    infos = {info.name: info.doc_string for info in [*proto.graph.input, *proto.graph.value_info, *proto.graph.output]}
    assert infos == {name: f"{v.format} [{v.low}, {v.high}]" for name, v in graph.values.items()}
    assert len(infos) == len(graph)


def test_nodes_say_which_layer_of_the_model_they_come_from():
    proto = model(mlp_graph())
    assert {node.doc_string for node in proto.graph.node} == {
        "fc1",
        "relu1",
        "fc1.out",
        "fc2",
        "relu2",
        "fc2.out",
        "fc3",
    }


def test_trace_makes_every_value_an_output_and_changes_no_node():
    graph = resnet_graph()
    plain, wide = model(graph), model(graph, trace=True)
    assert [info.name for info in wide.graph.output] == [name for name in graph.values if name != "input"]
    assert list(plain.graph.node) == list(wide.graph.node)
    again = onnx.load_from_string(traced(plain.SerializeToString()))
    assert sorted(info.name for info in again.graph.output) == sorted(info.name for info in wide.graph.output)
    assert list(again.graph.node) == list(wide.graph.node)


@pytest.mark.parametrize("seed", range(20))
def test_the_same_graph_gives_the_same_bytes(seed: int):
    first, second = export_onnx(random_graph(seed)), export_onnx(random_graph(seed))
    assert first == second
    assert len(first["model.onnx"]) > 100


def dense(bits: int, weight: int) -> Graph:
    node = Dense(name="y", inputs=("x",), weight=Tensor(np.array([[weight]]), fmt("u53.0")))
    return Graph("one", (Input(name="x", shape=(1,), format=fmt(f"s{bits}.0")), node), ("y",))


@pytest.mark.parametrize(
    ("bits", "weight", "number"),
    [
        (9, 1 << 16, onnx.TensorProto.FLOAT),
        (9, (1 << 16) + 1, onnx.TensorProto.DOUBLE),
        (9, 1 << 45, onnx.TensorProto.DOUBLE),
        (9, (1 << 45) + 1, onnx.TensorProto.INT64),
    ],
)
def test_the_matrix_product_takes_the_fastest_type_that_is_proved_exact(bits: int, weight: int, number: int):
    """`|x| <= 2**8`, so the bound is 2**24 or 2**53, or just past it."""
    proto = model(dense(bits, weight))
    (held,) = [t for t in proto.graph.initializer if t.dims == [1, 1]]
    assert held.data_type == number
    assert kinds(proto) == ({"MatMul"} if number == onnx.TensorProto.INT64 else {"MatMul", "Cast"})


@pytest.mark.parametrize(("high", "expected"), [(1 << 16, True), ((1 << 16) + 1, False)])
def test_a_float_convolution_needs_the_proof(high: int, expected: bool):
    node = Conv2d(name="y", inputs=("x",), weight=Tensor(np.full((1, 1, 1, 1), high), fmt("u20.0")))
    graph = Graph("one", (Input(name="x", shape=(1, 2, 2), format=fmt("s9.0")), node), ("y",))
    assert ("Conv" in kinds(model(graph))) is expected


def test_casts_that_cannot_lose_anything_cost_nothing():
    nodes = (Input(name="x", shape=(4,), format=fmt("u4.0")), Requantize(name="y", inputs=("x",), format=fmt("s6.0")))
    assert kinds(model(Graph("idle", nodes, ("y",)))) == {"Identity"}


def test_invented_names_make_way_for_those_of_the_model():
    """The user's layer is called as the exporter would call its own value."""
    source = Input(name="x", shape=(2,), format=fmt("u4.0"))
    nodes = (
        source,
        Relu(name="y/max", inputs=("x",)),
        Relu(name="y", inputs=("y/max",)),
        Flatten(name="y/const", inputs=("y",)),
    )
    proto = model(Graph("names", nodes, ("y/const",)))
    made = [name for node in proto.graph.node for name in node.output] + [t.name for t in proto.graph.initializer]
    assert len(made) == len(set(made))
    assert {"y/max", "y", "y/const"} <= set(made)


def test_values_wider_than_the_arbiter_are_refused():
    with pytest.raises(ExportError) as caught:
        export_onnx(dense(20, 1 << 50))
    assert str(caught.value) == "Integer ONNX holds 62 bits a value, but 'y' needs 70; requantize before it."
