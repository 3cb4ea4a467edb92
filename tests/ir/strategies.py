"""Hypothesis strategies: graphs of one operator with random formats, shapes and constants."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from flow.formats import FixedPoint, Overflow, Rounding
from flow.ir import (
    Add,
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
    ScaleShift,
    Tensor,
)


@st.composite
def formats(draw: st.DrawFn, most: int = 12) -> FixedPoint:
    width = draw(st.integers(1, most))
    return FixedPoint(width, draw(st.integers(-4, width + 4)), draw(st.booleans()))


def tensors(shape: tuple[int, ...], most: int = 8) -> st.SearchStrategy[Tensor]:
    def make(form: FixedPoint, seed: int) -> Tensor:
        codes = np.random.default_rng(seed).integers(form.low, form.high, shape, endpoint=True)
        return Tensor(codes, form)

    return st.builds(make, formats(most), st.integers(0, 2**32 - 1))


def inputs(shape: tuple[int, ...], most: int = 12) -> st.SearchStrategy[Input]:
    return st.builds(lambda form: Input(name="x", shape=shape, format=form), formats(most))


def _graph(source: Input, node: Node) -> Graph:
    return Graph("one", (source, node), (node.name,))


@st.composite
def dense(draw: st.DrawFn, most: int = 12) -> Graph:
    fan_in, fan_out = draw(st.integers(1, 9)), draw(st.integers(1, 5))
    bias = draw(st.none() | tensors((fan_out,)))
    node = Dense(name="y", inputs=("x",), weight=draw(tensors((fan_out, fan_in), most)), bias=bias)
    return _graph(draw(inputs((fan_in,), most)), node)


@st.composite
def conv2d(draw: st.DrawFn, most: int = 12) -> Graph:
    groups, per_group, each = (draw(st.integers(1, 2)) for _ in range(3))
    kernel, extra = (draw(st.tuples(st.integers(1, 3), st.integers(1, 3))) for _ in range(2))
    shape = (groups * per_group, kernel[0] + extra[0], kernel[1] + extra[1])
    out = groups * each
    node = Conv2d(
        name="y",
        inputs=("x",),
        weight=draw(tensors((out, per_group, *kernel), most)),
        bias=draw(st.none() | tensors((out,))),
        stride=draw(st.tuples(st.integers(1, 2), st.integers(1, 3))),
        padding=draw(st.tuples(st.integers(0, 2), st.integers(0, 2))),
        groups=groups,
    )
    return _graph(draw(inputs(shape, most)), node)


@st.composite
def scale_shift(draw: st.DrawFn) -> Graph:
    shape = draw(st.sampled_from([(3,), (2, 3, 2)]))
    constants = tensors(shape[:1])
    node = ScaleShift(name="y", inputs=("x",), scale=draw(constants), shift=draw(constants))
    return _graph(draw(inputs(shape)), node)


@st.composite
def relu(draw: st.DrawFn) -> Graph:
    return _graph(draw(inputs((2, 3))), Relu(name="y", inputs=("x",)))


@st.composite
def add(draw: st.DrawFn) -> Graph:
    """Two casts of one input, added: their binary points and ranges differ."""
    source = draw(inputs((7,)))
    sides = [Requantize(name=name, inputs=("x",), format=draw(formats())) for name in ("a", "b")]
    return Graph("one", (source, *sides, Add(name="y", inputs=("a", "b"))), ("y",))


@st.composite
def pooling(draw: st.DrawFn, cls: type[MaxPool2d] | type[AvgPool2d], most: int = 12) -> Graph:
    kernel, extra = (draw(st.tuples(st.integers(1, 3), st.integers(1, 3))) for _ in range(2))
    stride = draw(st.tuples(st.integers(1, 3), st.integers(1, 2)))
    source = draw(inputs((2, kernel[0] + extra[0], kernel[1] + extra[1]), most))
    if cls is MaxPool2d:
        return _graph(source, MaxPool2d(name="y", inputs=("x",), kernel=kernel, stride=stride))
    scale = Tensor(np.array(draw(st.integers(1, 31))), FixedPoint(5, draw(st.integers(-2, 9)), signed=False))
    return _graph(source, AvgPool2d(name="y", inputs=("x",), kernel=kernel, stride=stride, scale=scale))


@st.composite
def flatten(draw: st.DrawFn) -> Graph:
    return _graph(draw(inputs((2, 3, 2))), Flatten(name="y", inputs=("x",)))


@st.composite
def requantize(draw: st.DrawFn, most: int = 12, modes: tuple[Overflow, ...] = tuple(Overflow)) -> Graph:
    target = draw(formats(most))
    legal = [mode for mode in modes if target.signed or mode is not Overflow.WRAP_SM]
    node = Requantize(
        name="y",
        inputs=("x",),
        format=target,
        rounding=draw(st.sampled_from(Rounding)),
        overflow=draw(st.sampled_from(legal)),
    )
    return _graph(draw(inputs((16,), most)), node)


@st.composite
def argmax(draw: st.DrawFn) -> Graph:
    return _graph(draw(inputs((draw(st.integers(1, 6)),), 3)), ArgMax(name="y", inputs=("x",)))


SINGLE: dict[type[Node], st.SearchStrategy[Graph]] = {
    Dense: dense(),
    Conv2d: conv2d(),
    ScaleShift: scale_shift(),
    Relu: relu(),
    Add: add(),
    MaxPool2d: pooling(MaxPool2d),
    AvgPool2d: pooling(AvgPool2d),
    Flatten: flatten(),
    Requantize: requantize(),
    ArgMax: argmax(),
}
