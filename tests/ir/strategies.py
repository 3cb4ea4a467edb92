"""Hypothesis strategies: graphs of one operator with random formats, shapes and constants."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from flow.formats import FixedPoint, FloatRounding, Minifloat, Overflow, Rounding
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


# Two operands, and the shape that both stand for: equal, one of them narrow, each narrow in another axis.
_PAIRS = [
    ((7,), (7,)),
    ((2, 3), (2, 1)),
    ((1, 3), (2, 3)),
    ((2, 1, 4), (2, 3, 1)),
    ((2, 2, 3), (1, 2, 1)),
    ((1,), (4,)),
]


@st.composite
def broadcast(draw: st.DrawFn, cls: type[Sub] | type[Mul]) -> Graph:
    """Two casts of one input, made narrow: their shapes, binary points and ranges differ."""
    shapes = draw(st.sampled_from(_PAIRS).flatmap(st.permutations))
    axes = tuple(np.maximum(*shapes).tolist())
    nodes: list[Node] = [draw(inputs(axes, 8))]
    sides = []
    for name, shape in zip("ab", shapes, strict=True):
        nodes.append(Requantize(name=name, inputs=("x",), format=draw(formats(8)), overflow=Overflow.WRAP))
        for axis in [axis for axis, (size, wanted) in enumerate(zip(axes, shape, strict=True)) if size != wanted]:
            nodes.append(ReduceMax(name=f"{name}.{axis}", inputs=(nodes[-1].name,), axis=axis))
        sides.append(nodes[-1].name)
    return Graph("one", (*nodes, cls(name="y", inputs=tuple(sides))), ("y",))


@st.composite
def table(draw: st.DrawFn, most: int = 8) -> Graph:
    """The entries may go beyond the codes of the input at either end."""
    source = draw(inputs((5,), most))
    below, above = draw(st.integers(0, 3)), draw(st.integers(0, 3))
    size = (1 << source.format.width) + below + above
    return _graph(
        source, Table(name="y", inputs=("x",), entries=draw(tensors((size,))), first=source.format.low - below)
    )


@st.composite
def lookup(draw: st.DrawFn, most: int = 7) -> Graph:
    """As many rows as the input has codes, or more."""
    shape, width = draw(st.sampled_from([(4,), (2, 3), (2, 1, 3)])), draw(st.integers(1, 4))
    form = FixedPoint(draw(st.integers(1, most)), 0, signed=False)
    rows = draw(tensors(((1 << form.width) + draw(st.integers(0, 3)), width)))
    return _graph(Input(name="x", shape=shape, format=form), Lookup(name="y", inputs=("x",), rows=rows))


@st.composite
def lut_dense(draw: st.DrawFn, most: int = 8) -> Graph:
    """Addresses anywhere in the code, beyond its highest bit too; some tables of zeros, some that vary alike."""
    shape, outputs = draw(st.sampled_from([(4,), (1,), (3, 2), (2, 1, 3)])), draw(st.integers(1, 4))
    width, source = draw(st.integers(1, 4)), draw(inputs(shape, most))
    tables = draw(tensors((outputs, shape[-1], 1 << width)))
    live = np.random.default_rng(draw(st.integers(0, 2**32 - 1))).random((outputs, shape[-1], 1)) < 0.8
    shifts = draw(st.lists(st.integers(0, source.format.width + 1), min_size=shape[-1], max_size=shape[-1]))
    node = LutDense(
        name="y", inputs=("x",), tables=Tensor(tables.codes * live, tables.format),
        shifts=Tensor(np.array(shifts), FixedPoint(5, 0, signed=False)),
    )  # fmt: skip
    return _graph(source, node)


_FACTORS = [
    ((3, 4), (4, 3)), ((2, 6), (6, 2)), ((1, 12), (12, 1)), ((12, 1), (1, 12)), ((2, 2, 3), (2, 3, 2)),
    ((3, 1, 4), (3, 4, 1)), ((2, 1, 2, 3), (2, 1, 3, 2)),
]  # fmt: skip


@st.composite
def matmul(draw: st.DrawFn, most: int = 12) -> Graph:
    """Two casts of one input as matrices, or stacks of matrices: binary points and ranges differ."""
    shapes = draw(st.sampled_from(_FACTORS))
    nodes: list[Node] = [draw(inputs((12,), most))]
    for name, shape in zip("ab", shapes, strict=True):
        nodes.append(Requantize(name=f"{name}.in", inputs=("x",), format=draw(formats(most))))
        nodes.append(Reshape(name=name, inputs=(f"{name}.in",), shape=shape))
    return Graph("one", (*nodes, MatMul(name="y", inputs=("a", "b"))), ("y",))


@st.composite
def reduction(draw: st.DrawFn, cls: type[ReduceMax] | type[ReduceSum], most: int = 12) -> Graph:
    shape = draw(st.sampled_from([(6,), (3, 4), (2, 3, 4), (1, 5)]))
    axis = draw(st.integers(0, len(shape) - 1))
    return _graph(draw(inputs(shape, most)), cls(name="y", inputs=("x",), axis=axis))


@st.composite
def reshape(draw: st.DrawFn) -> Graph:
    shape = draw(st.sampled_from([(12,), (3, 4), (2, 3, 2), (1, 12, 1)]))
    return _graph(draw(inputs((2, 3, 2))), Reshape(name="y", inputs=("x",), shape=shape))


@st.composite
def concat(draw: st.DrawFn) -> Graph:
    """One to four parts of different lengths and formats, one of them perhaps twice."""
    shape, axis = draw(st.sampled_from([((6,), 0), ((2, 4), 0), ((4, 2), 1), ((2, 3, 4), 0), ((2, 4, 3), 1)]))
    nodes: list[Node] = [draw(inputs(shape, 8))]
    parts = []
    for name in "abcd"[: draw(st.integers(1, 4))]:
        nodes.append(Requantize(name=name, inputs=("x",), format=draw(formats(8))))
        if draw(st.booleans()):
            nodes.append(ReduceMax(name=f"{name}.max", inputs=(name,), axis=axis))
        parts.append(nodes[-1].name)
    chosen = draw(st.permutations([*parts, *parts[: draw(st.integers(0, 1))]]))
    return Graph("one", (*nodes, Concat(name="y", inputs=tuple(chosen), axis=axis)), ("y",))


_SHAPES = [(7,), (3, 5), (4, 3, 5), (2, 3, 1, 4), (2, 1, 3, 2, 2)]


@st.composite
def slices(draw: st.DrawFn, most: int = 12) -> Graph:
    """Some axes whole, others from anywhere to anywhere, in steps that may leave the axis."""
    shape, picks = draw(st.sampled_from(_SHAPES)), []
    for size in shape:
        start = draw(st.integers(0, size - 1))
        cut = (start, draw(st.integers(start + 1, size)), draw(st.integers(1, 3)))
        picks.append(draw(st.sampled_from([(0, size, 1), cut])))
    starts, stops, steps = zip(*picks, strict=True)
    return _graph(draw(inputs(shape, most)), Slice(name="y", inputs=("x",), starts=starts, stops=stops, steps=steps))


@st.composite
def transpose(draw: st.DrawFn, most: int = 12) -> Graph:
    shape = draw(st.sampled_from(_SHAPES))
    order = draw(st.permutations(range(len(shape))))
    return _graph(draw(inputs(shape, most)), Transpose(name="y", inputs=("x",), order=tuple(order)))


@st.composite
def pad(draw: st.DrawFn, most: int = 12) -> Graph:
    """Zeros at any side and between, or some codes cropped, over one axis to four."""
    shape = draw(st.sampled_from([(5,), (2, 3), (2, 3, 4), (1, 1, 2), (2, 1, 3, 2)]))
    interior = tuple(draw(st.integers(0, 2)) for _ in shape)
    crops = draw(st.sampled_from([(0, 0), (0, 0), (0, 1), (1, 0)]))
    ends = [tuple(draw(st.integers(-crop if size > 1 else 0, 3)) for size in shape) for crop in crops]
    node = Pad(name="y", inputs=("x",), before=ends[0], after=ends[1], interior=interior)
    return _graph(draw(inputs(shape, most)), node)


@st.composite
def upsample(draw: st.DrawFn, most: int = 12) -> Graph:
    shape = draw(st.sampled_from([(5,), (2, 3), (2, 3, 4), (2, 1, 3, 2)]))
    factors = tuple(draw(st.integers(1, 3)) for _ in shape)
    return _graph(draw(inputs(shape, most)), Upsample(name="y", inputs=("x",), factors=factors))


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
def requantize_each(draw: st.DrawFn, most: int = 12, modes: tuple[Overflow, ...] = tuple(Overflow)) -> Graph:
    """One format for all, per channel or per element, some of them of no bits."""
    shape, grid = draw(
        st.sampled_from([((4, 2, 3), (4, 1, 1)), ((2, 3), (2, 3)), ((6,), (1,)), ((2, 1, 5), (1, 1, 5))])
    )
    signed, rng = draw(st.booleans()), np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    nearby = draw(formats(most))
    legal = [mode for mode in modes if signed or mode is not Overflow.WRAP_SM]
    node = RequantizeEach(
        name="y",
        inputs=("x",),
        fracs=Tensor(nearby.frac + rng.integers(-3, 4, grid), FixedPoint(12, 0)),
        widths=Tensor(rng.integers(0, most + 1, grid), FixedPoint(6, 0, signed=False)),
        signed=signed,
        rounding=draw(st.sampled_from(Rounding)),
        overflow=draw(st.sampled_from(legal)),
    )
    return _graph(draw(inputs(shape, most)), node)


@st.composite
def requantize_minifloat(
    draw: st.DrawFn, most: int = 12, roundings: tuple[FloatRounding, ...] = tuple(FloatRounding)
) -> Graph:
    """Any small minifloat, its numbers somewhere near those of the input."""
    texts = (
        "e0m3",
        "e2m1",
        "e3m0",
        "e3m2",
        "e4m3fn",
        "e4m3fnuz",
        "e5m2ieee",
        "ue3m2",
        "ue4m0",
        "e2m3",
        "e1m4",
        "e3m4ieee",
    )
    source, form = draw(inputs((9,), most)), Minifloat.parse(draw(st.sampled_from(texts)))
    bias = source.format.frac - form.mantissa + draw(st.integers(-6, 10))
    moved = Minifloat(form.exponent, form.mantissa, bias, form.specials, form.signed)
    node = RequantizeMinifloat(name="y", inputs=("x",), minifloat=moved, rounding=draw(st.sampled_from(roundings)))
    return _graph(source, node)


@st.composite
def argmax(draw: st.DrawFn) -> Graph:
    return _graph(draw(inputs((draw(st.integers(1, 6)),), 3)), ArgMax(name="y", inputs=("x",)))


@st.composite
def softmax(draw: st.DrawFn, most: int = 8) -> Graph:
    """Rows along any axis, one code to seven, whose exponents may lie far apart."""
    shape = draw(st.sampled_from([(6,), (3, 4), (2, 3, 2), (1, 7), (4, 1)]))
    form = draw(formats(most))
    source = Input(name="x", shape=shape, format=replace(form, frac=min(form.frac, 6)))
    axis, mantissa = draw(st.integers(0, len(shape) - 1)), draw(st.integers(1, 12))
    return _graph(source, Softmax(name="y", inputs=("x",), axis=axis, mantissa=mantissa))


SINGLE: dict[type[Node], st.SearchStrategy[Graph]] = {
    Dense: dense(),
    Conv2d: conv2d(),
    ScaleShift: scale_shift(),
    Relu: relu(),
    Add: add(),
    Sub: broadcast(Sub),
    Mul: broadcast(Mul),
    Table: table(),
    Lookup: lookup(),
    LutDense: lut_dense(),
    MatMul: matmul(),
    MaxPool2d: pooling(MaxPool2d),
    AvgPool2d: pooling(AvgPool2d),
    ReduceMax: reduction(ReduceMax),
    ReduceSum: reduction(ReduceSum),
    Flatten: flatten(),
    Reshape: reshape(),
    Concat: concat(),
    Pad: pad(),
    Upsample: upsample(),
    Slice: slices(),
    Transpose: transpose(),
    Requantize: requantize(),
    RequantizeEach: requantize_each(),
    RequantizeMinifloat: requantize_minifloat(),
    ArgMax: argmax(),
    Softmax: softmax(),
}
