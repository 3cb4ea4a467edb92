from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from flow.errors import GraphError
from flow.formats import Overflow
from flow.ir import (
    OPERATORS,
    Add,
    ArgMax,
    AvgPool2d,
    Concat,
    Conv2d,
    Dense,
    Flatten,
    Graph,
    Input,
    Lookup,
    LutDense,
    MatMul,
    MaxPool2d,
    Mul,
    Node,
    Pad,
    ReduceMax,
    ReduceSum,
    Relu,
    Requantize,
    RequantizeEach,
    Reshape,
    ScaleShift,
    Slice,
    Softmax,
    Sub,
    Table,
    Tensor,
    Transpose,
    Upsample,
    Value,
)
from tests.graphs import fmt, resnet_graph

X = Input(name="x", shape=(4,), format=fmt("u4.0"))
IMAGE = Input(name="x", shape=(2, 5, 5), format=fmt("u4.0"))


def ones(*shape: int) -> Tensor:
    return Tensor(np.ones(shape, dtype=np.int64), fmt("s4.0"))


def refusal(source: Input, *nodes: Node, outputs: tuple[str, ...] = ("y",)) -> str:
    with pytest.raises(GraphError) as caught:
        Graph("bad", (source, *nodes), outputs)
    return str(caught.value)


def test_a_name_twice():
    message = refusal(X, Relu(name="y", inputs=("x",)), Relu(name="y", inputs=("x",)))
    assert message == "Node names must be unique, but 'y' occurs twice."


def test_a_node_without_a_name():
    assert refusal(X, Relu(name="", inputs=("x",))) == "Every node needs a name, but one (relu) has none."


def test_an_output_twice():
    message = refusal(X, Relu(name="y", inputs=("x",)), outputs=("y", "x", "y"))
    assert message == "A value leaves a design once, but 'y' is listed as an output twice."


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"kernel": (0, 2)}, "the kernel of a window is at least 1 in both directions, not (0, 2)"),
        ({"kernel": (2, -1)}, "the kernel of a window is at least 1 in both directions, not (2, -1)"),
        ({"stride": (1, 0)}, "the stride of a window is at least 1 in both directions, not (1, 0)"),
        ({"stride": (-2, 1)}, "the stride of a window is at least 1 in both directions, not (-2, 1)"),
    ],
)
def test_windows_that_do_not_slide(changes, rule):
    window = {"kernel": (2, 2), "stride": (1, 1), **changes}
    average = AvgPool2d(name="y", inputs=("x",), scale=Tensor(np.array(1), fmt("u1.0")), **window)
    assert refusal(IMAGE, average) == f"AvgPool2d 'y': {rule}."
    assert refusal(IMAGE, MaxPool2d(name="y", inputs=("x",), **window)) == f"MaxPool2d 'y': {rule}."


@pytest.mark.parametrize(
    ("shape", "changes", "rule"),
    [
        ((1, 2, 0, 3), {}, "the kernel of a window is at least 1 in both directions, not (0, 3)"),
        ((1, 2, 3, 3), {"stride": (0, 1)}, "the stride of a window is at least 1 in both directions, not (0, 1)"),
        ((1, 2, 3, 3), {"padding": (0, -1)}, "the padding of a window is at least 0 in both directions, not (0, -1)"),
    ],
)
def test_convolutions_that_do_not_slide(shape, changes, rule):
    conv = Conv2d(name="y", inputs=("x",), weight=ones(*shape), bias=None, **changes)
    assert refusal(IMAGE, conv) == f"Conv2d 'y': {rule}."


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"before": (0, 1)}, f"before=(0, 1) needs an amount for each of the 3 axes of {IMAGE.shape}"),
        ({"interior": (0, 0, -1)}, "interior=(0, 0, -1) is a number of zeros between two codes, at least 0"),
        (
            {"before": (0, -4, 0), "after": (0, -IMAGE.shape[1] + 4, 9)},
            f"before=(0, -4, 0) and after=(0, {-IMAGE.shape[1] + 4}, 9) crop all of the input {IMAGE.shape}",
        ),
    ],
)
def test_amounts_that_cannot_be_padded(changes, rule):
    amounts = {"before": (0, 0, 0), "after": (0, 0, 0), "interior": (0, 0, 0), **changes}
    assert refusal(IMAGE, Pad(name="y", inputs=("x",), **amounts)) == f"Pad 'y': {rule}."


@pytest.mark.parametrize("factors", [(2,), (1, 0, 2), (1, 1, 1, 1)])
def test_factors_that_repeat_nothing(factors):
    message = refusal(IMAGE, Upsample(name="y", inputs=("x",), factors=factors))
    assert message == f"Upsample 'y': factors={factors} needs a number from 1 for each axis of the input {IMAGE.shape}."


def test_only_zeros_are_left_of_what_is_cropped_between_codes():
    source = Input(name="x", shape=(2,), format=fmt("u4.0"))
    zeros = Pad(name="y", inputs=("x",), before=(-1,), after=(-1,), interior=(3,))
    value = Graph("zeros", (source, zeros), ("y",)).values["y"]
    assert str(value) == "[3] u4.0 [0, 0]"


def test_an_input_that_comes_later():
    message = refusal(X, Relu(name="y", inputs=("z",)), Relu(name="z", inputs=("x",)))
    assert message == "Node 'y' reads 'z', which is not an earlier node."


def test_a_node_that_reads_itself():
    assert refusal(X, Relu(name="y", inputs=("y",))) == "Node 'y' reads 'y', which is not an earlier node."


@pytest.mark.parametrize(("count", "expected"), [(1, "takes 2 inputs, not 1"), (3, "takes 2 inputs, not 3")])
def test_a_wrong_number_of_inputs(count: int, expected: str):
    assert refusal(X, Add(name="y", inputs=("x",) * count)) == f"Node 'y' (add) {expected}."


def test_a_concat_of_nothing():
    assert refusal(X, Concat(name="y", axis=0)) == "Node 'y' (concat) takes 1 inputs, not 0."


@pytest.mark.parametrize("axis", [-1, 1])
def test_a_concat_along_no_axis(axis: int):
    message = refusal(X, Concat(name="y", inputs=("x", "x"), axis=axis))
    assert message == f"Concat 'y': axis {axis} is none of the input's 1 axes {X.shape}."


def test_a_concat_of_parts_that_do_not_match():
    parts = (IMAGE, Reshape(name="rows", inputs=("x",), shape=(1, 5, 10)))
    shapes = f"input shapes {IMAGE.shape} and (1, 5, 10)"
    message = refusal(*parts, Concat(name="y", inputs=("x", "rows"), axis=0))
    assert message == f"Concat 'y': {shapes} differ along other axes than 0."


@pytest.mark.parametrize(
    ("cut", "rule"),
    [
        (((0,), (2,), (1,)), "its starts, stops and steps are not as many as the 3 axes of (2, 5, 5)"),
        (((0, 0, 3), (2, 5, 3), (1, 1, 1)), "3:3:1 picks nothing of the 5 places of axis 2"),
        (((0, 0, 0), (2, 6, 5), (1, 1, 1)), "0:6:1 picks nothing of the 5 places of axis 1"),
        (((-1, 0, 0), (2, 5, 5), (1, 1, 1)), "-1:2:1 picks nothing of the 2 places of axis 0"),
        (((0, 0, 0), (2, 5, 5), (0, 1, 1)), "0:2:0 picks nothing of the 2 places of axis 0"),
    ],
)
def test_slices_that_do_not_lie_in_the_input(cut: tuple[tuple[int, ...], ...], rule: str):
    starts, stops, steps = cut
    message = refusal(IMAGE, Slice(name="y", inputs=("x",), starts=starts, stops=stops, steps=steps))
    assert message == f"Slice 'y': {rule}."


@pytest.mark.parametrize("order", [(0, 1), (0, 1, 1), (1, 2, 3)])
def test_an_order_of_other_axes(order: tuple[int, ...]):
    message = refusal(IMAGE, Transpose(name="y", inputs=("x",), order=order))
    assert message == f"Transpose 'y': the order {order} is not one of the 3 axes of {IMAGE.shape}."


@pytest.mark.parametrize("outputs", [(), ("z",), ("y", "z")])
def test_outputs_that_are_not_there(outputs: tuple[str, ...]):
    message = refusal(X, Relu(name="y", inputs=("x",)), outputs=outputs)
    assert message == f"A graph needs an input and known outputs; got outputs {list(outputs)}."


def test_a_graph_without_an_input():
    with pytest.raises(GraphError) as caught:
        Graph("bad", (), ())
    assert str(caught.value) == "A graph needs an input and known outputs; got outputs []."


def test_a_node_that_is_not_there():
    with pytest.raises(GraphError) as caught:
        resnet_graph()["nowhere"]
    assert str(caught.value) == "Graph 'resnet' has no node 'nowhere'."


def test_several_inputs_where_one_is_needed():
    graph = Graph("two", (X, Input(name="z", shape=(4,), format=fmt("u4.0"))), ("x",))
    with pytest.raises(GraphError) as caught:
        _ = graph.input
    assert str(caught.value) == "Graph 'two' has 2 inputs where one is needed."


def test_a_node_without_a_type_rule():
    message = refusal(X, Node(name="y", inputs=("x",)))
    assert message == "Operator Node has no type rule."


REFUSED: list[tuple[Input, type[Node], dict[str, Any], str]] = [
    (X, Dense, {"weight": ones(3, 5)}, "weight shape (3, 5) does not match input shape (4,)"),
    (X, Dense, {"weight": ones(4)}, "weight shape (4,) does not match input shape (4,)"),
    (X, Dense, {"weight": ones(0, 4)}, "a weight of shape (0, 4) gives no result; leave the layer out"),
    (X, Dense, {"weight": ones(3, 4), "bias": ones(4)}, "bias shape (4,) is not (3,)"),
    (X, Conv2d, {"weight": ones(1, 4, 1, 1)}, "weight shape (1, 4, 1, 1) with groups=1 does not match input (4,)"),
    (IMAGE, Conv2d, {"weight": ones(2, 2)}, "weight shape (2, 2) with groups=1 does not match input (2, 5, 5)"),
    (
        IMAGE, Conv2d, {"weight": ones(3, 2, 1, 1), "groups": 2},
        "weight shape (3, 2, 1, 1) with groups=2 does not match input (2, 5, 5)",
    ),
    (IMAGE, Conv2d, {"weight": ones(3, 1, 1, 1), "groups": 2}, "groups=2 does not divide 3 output channels"),
    (IMAGE, Conv2d, {"weight": ones(3, 2, 6, 1)}, "the (6, 1) window does not fit the input (2, 5, 5)"),
    (IMAGE, Conv2d, {"weight": ones(3, 2, 1, 1), "bias": ones(2)}, "bias shape (2,) is not (3,)"),
    (
        IMAGE, ScaleShift, {"scale": ones(2), "shift": ones(3)},
        "scale (2,) and shift (3,) do not match input (2, 5, 5)",
    ),
    (X, MaxPool2d, {"kernel": (1, 1), "stride": (1, 1)}, "pooling needs [C, H, W], not (4,)"),
    (IMAGE, MaxPool2d, {"kernel": (1, 6), "stride": (1, 1)}, "the (1, 6) window does not fit the input (2, 5, 5)"),
    (
        IMAGE, AvgPool2d, {"kernel": (2, 2), "stride": (1, 1), "scale": ones(2)},
        "the scale must be one positive code",
    ),
    (
        IMAGE, AvgPool2d, {"kernel": (2, 2), "stride": (1, 1), "scale": Tensor(np.array(0), fmt("u1.0"))},
        "the scale must be one positive code",
    ),
    (
        X, Requantize, {"format": fmt("u4.0"), "overflow": Overflow.WRAP_SM},
        "overflow mode WRAP_SM exists for signed formats only, not u4.0",
    ),
    (
        X, Table, {"entries": ones(15), "first": 0},
        "the entries serve codes 0..14, but the input has 0..15",
    ),
    (X, Table, {"entries": ones(15), "first": 1}, "the entries serve codes 1..15, but the input has 0..15"),
    (X, Table, {"entries": ones(4, 4), "first": 0}, "the entries must have one axis, not (4, 4)"),
    (X, Lookup, {"rows": ones(15, 2)}, "the rows serve 0..14, but the input has 0..15"),
    (X, Lookup, {"rows": ones(16)}, "the rows must have two axes, not (16,)"),
    (
        replace(X, format=fmt("u4.1")), Lookup, {"rows": ones(16, 2)},
        "the input of format u4.1 holds no integers; cast it to no fractional bits",
    ),
    (
        X, LutDense, {"tables": ones(3, 5, 4), "shifts": ones(5)},
        "tables of shape (3, 5, 4) do not match input (4,); they are [outputs, inputs, 2**w]",
    ),
    (X, LutDense, {"tables": ones(3, 4, 6), "shifts": ones(4)}, "a table has 2**w entries for w of 1..8 bits, not 6"),
    (X, LutDense, {"tables": ones(3, 4, 1), "shifts": ones(4)}, "a table has 2**w entries for w of 1..8 bits, not 1"),
    (
        X, LutDense, {"tables": ones(3, 4, 2), "shifts": Tensor([0, 1, -1, 0], fmt("s4.0"))},
        "shifts are 4 numbers of bits in 0..62, not s4.0[4] of [0, 1, -1, 0]",
    ),
    (X, ReduceMax, {"axis": 1}, "axis 1 is none of the input's 1 axes (4,)"),
    (IMAGE, ReduceSum, {"axis": -1}, "axis -1 is none of the input's 3 axes (2, 5, 5)"),
    (X, Reshape, {"shape": (2, 3)}, "the 4 codes of (4,) do not fill the shape (2, 3)"),
    (X, Reshape, {"shape": (-2, -2)}, "the 4 codes of (4,) do not fill the shape (-2, -2)"),
    (
        X, RequantizeEach, {"fracs": ones(3), "widths": ones(3), "signed": True},
        "fracs (3,) and widths (3,) do not match the input (4,)",
    ),
    (
        IMAGE, RequantizeEach, {"fracs": ones(2, 1, 1), "widths": ones(2, 5, 5), "signed": True},
        "fracs (2, 1, 1) and widths (2, 5, 5) do not match the input (2, 5, 5)",
    ),
    (
        X, RequantizeEach, {"fracs": ones(4), "widths": Tensor([1, 2, -1, 0], fmt("s4.0")), "signed": True},
        "a width is at least 0, not -1",
    ),
    (
        X, RequantizeEach, {"fracs": ones(4), "widths": ones(4), "signed": False, "overflow": Overflow.WRAP_SM},
        "overflow mode WRAP_SM exists for signed formats only, not u1.1",
    ),
    (X, Softmax, {"axis": 1, "mantissa": 8}, "axis 1 is none of the input's 1 axes (4,)"),
    (X, Softmax, {"axis": 0, "mantissa": 21}, "The mantissa of a softmax has 1..20 bits, not 21"),
    (
        replace(X, format=fmt("s16.13")), Softmax, {"axis": 0, "mantissa": 8},
        "The inputs of a softmax have at most 12 fractional bits, not those of s16.13; cast them before",
    ),
    (
        replace(X, format=fmt("u59.-2")), Softmax, {"axis": 0, "mantissa": 8},
        "the exponents of u59.-2 have 61 bits, more than 60; cast the input before",
    ),
    (IMAGE, ArgMax, {}, "the input must have one axis, not (2, 5, 5); flatten it first"),
]  # fmt: skip


@pytest.mark.parametrize("origin", ["", "layers.3"])
@pytest.mark.parametrize(("source", "operator", "attributes", "rule"), REFUSED)
def test_attributes_that_do_not_fit_the_input(source: Input, operator: type[Node], attributes, rule: str, origin: str):
    place = f" (from {origin!r})" if origin else ""
    message = refusal(source, operator(name="y", inputs=("x",), origin=origin, **attributes))
    assert message == f"{operator.__name__} 'y'{place}: {rule}."


def test_shapes_that_cannot_be_added():
    message = refusal(IMAGE, Flatten(name="flat", inputs=("x",)), Add(name="y", inputs=("x", "flat")))
    assert message == "Add 'y': input shapes (2, 5, 5) and (50,) differ; broadcast before the addition."


@pytest.mark.parametrize("operator", [Sub, Mul])
@pytest.mark.parametrize("shape", [(2, 25), (25, 2, 1), (50,)])
def test_shapes_that_do_not_match_place_by_place(operator: type[Node], shape: tuple[int, ...]):
    source = Input(name="x", shape=(50,), format=fmt("u4.0"))
    nodes = [Reshape(name=name, inputs=("x",), shape=sizes) for name, sizes in (("a", (25, 2)), ("b", shape))]
    message = refusal(source, *nodes, operator(name="y", inputs=("a", "b")))
    assert message == (
        f"{operator.__name__} 'y': input shapes (25, 2) and {shape} do not match; each axis must agree or be 1."
    )


@pytest.mark.parametrize("shapes", [((5, 2), (5, 2)), ((2, 5), (5, 1, 2)), ((10,), (10,)), ((2, 5, 1), (1, 1, 10))])
def test_factors_that_are_no_matrices_of_matching_sizes(shapes: tuple[tuple[int, ...], ...]):
    source = Input(name="x", shape=(10,), format=fmt("u4.0"))
    nodes = [Reshape(name=name, inputs=("x",), shape=sizes) for name, sizes in zip("ab", shapes, strict=True)]
    assert refusal(source, *nodes, MatMul(name="y", inputs=("a", "b"))) == (
        f"MatMul 'y': input shapes {shapes[0]} and {shapes[1]} are not [.., M, K] and [.., K, N] with the same axes in "
        "front."
    )


def test_a_range_outside_its_format():
    with pytest.raises(GraphError) as caught:
        Value((1,), fmt("u4.0"), -1, 7)
    assert str(caught.value) == "A value of format u4.0 cannot range over [-1, 7]."


def test_constants_outside_their_format():
    with pytest.raises(GraphError) as caught:
        Tensor(np.array([-8, 8]), fmt("s4.0"))
    assert str(caught.value) == "Codes [-8, 8] do not fit the format s4.0."


def test_constants_are_read_only_copies():
    codes = np.arange(4)
    tensor = Tensor(codes, fmt("u4.0"))
    codes[0] = 9
    assert tensor.codes.tolist() == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="read-only"):
        tensor.codes[0] = 1


def test_constants_are_equal_by_content():
    same, other = Tensor(np.arange(4), fmt("u4.0")), Tensor(np.arange(4), fmt("u4.1"))
    assert Tensor(np.arange(4), fmt("u4.0")) == same
    assert hash(Tensor(np.arange(4), fmt("u4.0"))) == hash(same)
    assert same != other
    assert same != "u4.0[4]"


def test_a_graph_answers_for_its_nodes():
    graph = resnet_graph()
    assert [node.name for node in graph.consumers("stem.out")] == ["block", "add"]
    assert graph.operands(graph["add"]) == (graph.values["block.cast"], graph.values["stem.out"])
    assert (len(graph), graph.renamed("other").name, graph.renamed("other").nodes) == (19, "other", graph.nodes)
    assert set(graph["stem"].tensors()) == {"weight"}
    assert {node.op for node in graph} <= set(OPERATORS)


def test_a_proved_type_lies_within_the_inferred_one():
    source, relu = replace(X, format=fmt("s4.0")), Relu(name="y", inputs=("x",))
    proved = Value((4,), fmt("u3.0"), 2, 5)
    graph = Graph("g", (source, relu), ("y",), {"y": proved})
    assert (graph.values["y"], graph) == (proved, Graph("g", (source, relu), ("y",)))
    for other, text in ((Value((4,), fmt("s4.0"), 0, 7), "s4.0 [0, 7]"), (Value((3,), fmt("u3.0"), 0, 7), None)):
        shown = f"[4] {text}" if text else "[3] u3.0 [0, 7]"
        with pytest.raises(GraphError) as caught:
            Graph("g", (source, relu), ("y",), {"y": other})
        assert str(caught.value) == f"Node 'y' makes [4] u3.0 [0, 7], which cannot be proved to be {shown}."
