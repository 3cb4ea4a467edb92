"""Small graphs with every operator, every mode and constants spelled out: what the stored fixtures hold."""

from __future__ import annotations

import numpy as np

from flow.formats import FloatRounding, Minifloat, Overflow, Rounding
from flow.ir import (
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
    RequantizeMinifloat,
    Reshape,
    ScaleShift,
    Slice,
    Softmax,
    Sub,
    Table,
    Tensor,
    Transpose,
    Upsample,
)
from tests.graphs import fmt


def ramp(shape: tuple[int, ...], text: str) -> Tensor:
    """Codes that count through the format."""
    form, size = fmt(text), int(np.prod(shape))
    return Tensor((np.arange(size) * 5 % (1 << form.width) + form.low).reshape(shape), form)


def first_operators() -> Graph:
    """The operators of the first version that had a spec: what its stored files hold."""
    nodes: list[Node] = [
        Input(name="input", shape=(2, 6, 6), format=fmt("s5.2")),
        Conv2d(
            name="conv", inputs=("input",), weight=ramp((4, 1, 3, 2), "s4.3"), bias=ramp((4,), "s6.7"),
            stride=(1, 2), padding=(1, 0), groups=2, origin="features.0",
        ),
        ScaleShift(
            name="bn", inputs=("conv",), scale=ramp((4,), "s5.-1"), shift=ramp((4,), "s5.9"), origin="features.1"
        ),
        Requantize(name="bn.out", inputs=("bn",), format=fmt("s6.1"), origin="features.1"),
        Relu(name="relu", inputs=("bn.out",)),
        Add(name="add", inputs=("relu", "bn.out")),
        MaxPool2d(name="max", inputs=("add",), kernel=(2, 2), stride=(2, 1)),
        AvgPool2d(name="avg", inputs=("max",), kernel=(3, 1), stride=(1, 1), scale=Tensor(np.array(11), fmt("u4.5"))),
        Flatten(name="flat", inputs=("avg",)),
    ]  # fmt: skip
    for rounding in Rounding:
        for mode in Overflow:
            name = f"cast.{rounding.value}.{mode.value}"
            nodes.append(Requantize(name=name, inputs=("flat",), format=fmt("s5.3"), rounding=rounding, overflow=mode))
    nodes.append(Dense(name="fc/é", inputs=("cast.RND_CONV.WRAP_SM",), weight=ramp((3, 8), "u4.-2"), origin="head"))
    nodes.append(ArgMax(name="class", inputs=("fc/é",)))
    return Graph("every operator", tuple(nodes), ("fc/é", "class"))


def _softmax() -> list[Node]:
    """What the operators after the first ones are for: an exponential and a reciprocal from tables."""
    return [
        Reshape(name="grid", inputs=("flat",), shape=(2, 4)),
        Requantize(name="grid.in", inputs=("grid",), format=fmt("s5.2")),
        ReduceMax(name="top", inputs=("grid.in",), axis=1),
        Sub(name="below", inputs=("grid.in", "top"), origin="softmax"),
        Table(name="exp", inputs=("below",), entries=ramp((64,), "u4.3"), first=-32, origin="softmax"),
        ReduceSum(name="sum", inputs=("exp",), axis=1, origin="softmax"),
        Table(name="inverse", inputs=("sum",), entries=ramp((61,), "s5.4"), first=0, origin="softmax"),
        Mul(name="product", inputs=("exp", "inverse"), origin="softmax"),
    ]


def softmax_operators() -> Graph:
    """The first operators, and those that came with softmax and with words per place."""
    first, nodes = first_operators(), _softmax()
    fracs = Tensor(np.array([[6, 6, 6, 6], [-1, -1, 3, 3]]), fmt("s8.0"))
    widths = Tensor(np.array([[4, 0, 3, 7], [4, 0, 3, 7]]), fmt("u6.0"))
    for rounding in Rounding:
        nodes.append(RequantizeEach(
            name=f"each.{rounding.value}", inputs=("product",), fracs=fracs, widths=widths, signed=True,
            rounding=rounding, overflow=Overflow.WRAP,
        ))  # fmt: skip
    for mode in FloatRounding:
        name = f"minifloat.{mode.value}"
        nodes.append(
            RequantizeMinifloat(name=name, inputs=("flat",), minifloat=Minifloat.parse("e3m2b6"), rounding=mode)
        )
    return Graph("every operator", (*first.nodes, *nodes), (*first.outputs, "each.RND", "minifloat.up"))


def _moves() -> list[Node]:
    """What moves codes: parts of other binary points and lengths, joined along either axis."""
    return [
        Concat(name="rows", inputs=("exp", "product", "top.four"), axis=0),
        Concat(name="columns", inputs=("grid.in", "top", "below"), axis=1),
        Slice(name="cut", inputs=("add",), starts=(1, 0, 0), stops=(4, 6, 3), steps=(2, 1, 1), origin="split"),
        Slice(name="cut.all", inputs=("columns",), starts=(1, 2), stops=(2, 9), steps=(1, 3)),
        Transpose(name="turned", inputs=("cut",), order=(2, 0, 1), origin="split"),
        Transpose(name="turned.columns", inputs=("rows",), order=(1, 0)),
    ]


def move_operators() -> Graph:
    """What came with branches: codes picked, turned and joined."""
    nodes: list[Node] = [
        Input(name="input", shape=(2, 3, 4), format=fmt("s5.2")),
        Requantize(name="coarse", inputs=("input",), format=fmt("s4.-1")),
        Slice(name="cut", inputs=("coarse",), starts=(1, 0, 1), stops=(2, 3, 4), steps=(1, 2, 2), origin="split"),
        Transpose(name="turned", inputs=("input",), order=(1, 2, 0), origin="split"),
        Slice(name="few", inputs=("turned",), starts=(0, 0, 0), stops=(2, 2, 2), steps=(1, 1, 2)),
        Transpose(name="back", inputs=("few",), order=(2, 0, 1)),
        Concat(name="rows", inputs=("cut", "back", "cut"), axis=0, origin="join"),
    ]
    return Graph("move operators", tuple(nodes), ("rows",))


def spatial_operators() -> Graph:
    """What came with transposed convolutions: codes further apart, on one axis to three."""
    nodes: list[Node] = [
        Input(name="input", shape=(2, 2, 3), format=fmt("s5.2")),
        Pad(name="apart", inputs=("input",), before=(0, 1, 0), after=(0, -1, 2), interior=(0, 1, 2), origin="up"),
        Upsample(name="nearest", inputs=("apart",), factors=(1, 2, 1), origin="up.nearest"),
        Flatten(name="line", inputs=("nearest",)),
        Pad(name="ends", inputs=("line",), before=(2,), after=(1,), interior=(0,)),
    ]
    return Graph("spatial operators", tuple(nodes), ("ends",))


def _spatial() -> list[Node]:
    """The same, reading what the operators before made."""
    return [
        Pad(name="apart", inputs=("max",), before=(0, 1, 0), after=(0, -1, 2), interior=(0, 1, 2), origin="up"),
        Upsample(name="nearest", inputs=("apart",), factors=(1, 2, 1), origin="up.nearest"),
        Pad(name="ends", inputs=("flat",), before=(2,), after=(1,), interior=(0,)),
        Upsample(name="twice", inputs=("ends",), factors=(2,)),
    ]


def attention_operators() -> Graph:
    """What came with attention: rows by their number, and products of two values, alone and side by side."""
    nodes: list[Node] = [
        Input(name="input", shape=(2, 3), format=fmt("u3.0")),
        Lookup(name="rows", inputs=("input",), rows=ramp((9, 4), "s4.3"), origin="embed"),
        Transpose(name="keys", inputs=("rows",), order=(0, 2, 1)),
        MatMul(name="scores", inputs=("rows", "keys"), origin="attend"),
        Reshape(name="flat", inputs=("rows",), shape=(6, 4)),
        Reshape(name="tall", inputs=("scores",), shape=(3, 6)),
        MatMul(name="mixed", inputs=("tall", "flat"), origin="attend"),
    ]
    return Graph("attention operators", tuple(nodes), ("mixed",))


def _attention() -> list[Node]:
    """The same, reading what the operators before made."""
    return [
        Requantize(name="grid.up", inputs=("grid",), format=fmt("u4.0")),
        Lookup(name="embedded", inputs=("grid.up",), rows=ramp((16, 3), "s4.3"), origin="embed"),
        Transpose(name="keys", inputs=("embedded",), order=(0, 2, 1), origin="attend"),
        MatMul(name="scores", inputs=("embedded", "keys"), origin="attend"),
        MatMul(name="mixed", inputs=("turned.columns", "rows"), origin="attend"),
    ]


def truth_table_operators() -> Graph:
    """What came with truth tables: sums of them over rows and over a vector, from other bits of every input."""
    nodes: list[Node] = [
        Input(name="input", shape=(2, 3), format=fmt("s5.2")),
        LutDense(
            name="sums", inputs=("input",), tables=ramp((2, 3, 8), "s4.3"), shifts=ramp((3,), "u2.0"), origin="fc1"
        ),
        Flatten(name="flat", inputs=("sums",)),
        LutDense(name="more", inputs=("flat",), tables=ramp((3, 4, 2), "u4.-1"), shifts=ramp((4,), "u3.0")),
    ]  # fmt: skip
    return Graph("truth tables", tuple(nodes), ("more",))


def _truth_tables() -> list[Node]:
    """The same, reading what the operators before made."""
    bits = ramp((4,), "u2.0")
    return [LutDense(name="tables", inputs=("grid.in",), tables=ramp((3, 4, 4), "s4.3"), shifts=bits, origin="fc1")]


def two_pass_operators() -> Graph:
    """What came with the softmax without a maximum: shares along either axis, of fractions and of integers."""
    nodes: list[Node] = [
        Input(name="input", shape=(2, 3), format=fmt("s6.3")),
        Softmax(name="rows", inputs=("input",), axis=1, mantissa=9, origin="attend"),
        Requantize(name="whole", inputs=("input",), format=fmt("s4.-1")),
        Softmax(name="columns", inputs=("whole",), axis=0, mantissa=4),
    ]
    return Graph("two-pass operators", tuple(nodes), ("rows", "columns"))


def _two_pass() -> list[Node]:
    """The same, reading what the operators before made."""
    return [
        Softmax(name="shares", inputs=("grid.in",), axis=1, mantissa=9, origin="attend"),
        Softmax(name="shares.turned", inputs=("scores",), axis=0, mantissa=5),
    ]


def every_operator() -> Graph:
    """All that came before, what moves codes, what moves them apart, what attention needs, truth tables, and shares."""
    before = softmax_operators()
    four = Reshape(name="top.four", inputs=("cast.TRN.WRAP",), shape=(2, 4))
    ends = ("rows", "cut.all", "turned", "turned.columns", "nearest", "twice", "scores", "mixed", "tables", "shares",
            "shares.turned")  # fmt: skip
    nodes = (*before.nodes, four, *_moves(), *_spatial(), *_attention(), *_truth_tables(), *_two_pass())
    return Graph("every operator", nodes, (*before.outputs, *ends))
