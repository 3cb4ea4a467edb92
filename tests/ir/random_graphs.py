"""Random graphs over every operator and format.

`drawn(seed)` is always the same graph. Seeds in a row share a palette of formats, because a compiler that gets many
graphs at once meets few types then; the palettes go through all modes of casts and all small minifloats.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from flow.formats import FixedPoint, FloatRounding, Minifloat, Rounding
from flow.ir import (
    Add,
    ArgMax,
    AvgPool2d,
    Concat,
    Conv2d,
    Dense,
    Flatten,
    Graph,
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
from tests.ir.growing import LONG, Growing


def _dense(g: Growing) -> Node:
    source = g.any((1,))
    outputs = int(g.rng.integers(1, 5))
    bias = g.constant(outputs) if g.rng.integers(2) else None
    return Dense(name=g.free(), inputs=(source,), weight=g.constant(outputs, g.values[source].size), bias=bias)


def _window(g: Growing, source: str) -> dict[str, tuple[int, int]]:
    height, width = g.values[source].shape[1:]
    kernel = int(g.rng.integers(1, min(height, 3) + 1)), int(g.rng.integers(1, min(width, 3) + 1))
    return {"kernel": kernel, "stride": g.pair(1, 2)}


def _conv2d(g: Growing) -> Node:
    source = g.any((3,))
    channels, window = g.values[source].shape[0], _window(g, source)
    groups = channels if g.rng.integers(2) else 1
    outputs = groups * int(g.rng.integers(1, 3))
    weight, bias = g.constant(outputs, channels // groups, *window.pop("kernel")), g.constant(outputs)
    return Conv2d(
        name=g.free(), inputs=(source,), weight=weight, bias=bias if g.rng.integers(2) else None, groups=groups,
        padding=g.pair(0, 1), **window,
    )  # fmt: skip


def _scale_shift(g: Growing) -> Node:
    source = g.any()
    channels = g.values[source].shape[0]
    return ScaleShift(name=g.free(), inputs=(source,), scale=g.constant(channels), shift=g.constant(channels))


def _relu(g: Growing) -> Node:
    return Relu(name=g.free(), inputs=(g.any(),))


def _add(g: Growing) -> Node:
    source = g.any()
    return Add(name=g.free(), inputs=(source, _narrowed(g, g.mate(source))))


def _narrowed(g: Growing, name: str) -> str:
    return g.cast(name) if g.values[name].format.width > g.most else name


def _broadcast(cls: type[Sub] | type[Mul]) -> Callable[[Growing], Node]:
    """Either side may be narrow along one axis."""

    def draw(g: Growing) -> Node:
        source = g.any()
        other = _narrowed(g, g.mate(source))
        axis = int(g.rng.integers(2 * len(g.values[source].shape)))
        if axis < len(g.values[source].shape):
            other = g.add(ReduceMax(name=g.free(), inputs=(other,), axis=axis))
        sides = (source, other) if g.rng.integers(2) else (other, source)
        return cls(name=g.free(), inputs=sides)

    return draw


def _table(g: Growing) -> Node:
    source, spare = g.any(most=7), int(g.rng.integers(0, 3))
    value = g.values[source]
    if value.high - value.low > 200:
        source = g.cast(source)
        value = g.values[source]
    size = value.high - value.low + 1 + 2 * spare
    return Table(name=g.free(), inputs=(source,), entries=g.constant(size), first=value.low - spare)


def _lookup(g: Growing) -> Node:
    """Numbers of rows are cast to integers first."""
    form, source = FixedPoint(int(g.rng.integers(1, 6)), 0, signed=False), g.any(most=LONG)
    rounding = g.one_of(list(Rounding))
    index = g.add(Requantize(name=g.free(), inputs=(source,), format=form, rounding=rounding))
    rows = g.constant((1 << form.width) + int(g.rng.integers(0, 3)), int(g.rng.integers(1, 4)))
    return Lookup(name=g.free(), inputs=(index,), rows=rows)


def _lut_dense(g: Growing) -> Node:
    """Any bits of the codes as addresses."""
    source = g.any(most=LONG)
    value, width = g.values[source], int(g.rng.integers(1, 4))
    tables = g.constant(int(g.rng.integers(1, 4)), value.shape[-1], 1 << width)
    shifts = Tensor(g.rng.integers(0, value.format.width, value.shape[-1]), FixedPoint(6, 0, signed=False))
    return LutDense(name=g.free(), inputs=(source,), tables=tables, shifts=shifts)


def _matmul(g: Growing) -> Node:
    """A matrix with the transposed of its like, from either side."""
    most = min(g.most, 26)
    source = g.any((2, 3), most=most)
    other = g.mate(source)
    if g.values[other].format.width > most:
        other = g.cast(other)
    axes = tuple(range(len(g.values[other].shape)))
    turned = g.add(Transpose(name=g.free(), inputs=(other,), order=(*axes[:-2], axes[-1], axes[-2])))
    return MatMul(name=g.free(), inputs=(source, turned) if g.rng.integers(2) else (turned, source))


def _max_pool(g: Growing) -> Node:
    source = g.any((3,))
    return MaxPool2d(name=g.free(), inputs=(source,), **_window(g, source))


def _avg_pool(g: Growing) -> Node:
    source = g.any((3,))
    scale = Tensor(np.array(g.rng.integers(1, 16)), FixedPoint(4, 4, signed=False))
    return AvgPool2d(name=g.free(), inputs=(source,), scale=scale, **_window(g, source))


def _reduction(cls: type[ReduceMax] | type[ReduceSum]) -> Callable[[Growing], Node]:
    def draw(g: Growing) -> Node:
        source = g.any()
        return cls(name=g.free(), inputs=(source,), axis=int(g.rng.integers(len(g.values[source].shape))))

    return draw


def _flatten(g: Growing) -> Node:
    return Flatten(name=g.free(), inputs=(g.any(),))


def _reshape(g: Growing) -> Node:
    source = g.any()
    size = g.values[source].size
    shapes = [(size,), (1, size), (size, 1, 1), *((size // n, 1, n) for n in (2, 3) if size % n == 0)]
    return Reshape(name=g.free(), inputs=(source,), shape=g.one_of(shapes))


def _concat(g: Growing) -> Node:
    source = g.any()
    parts = (source, *(_narrowed(g, g.mate(source)) for _ in range(int(g.rng.integers(3)))))
    return Concat(name=g.free(), inputs=parts, axis=int(g.rng.integers(len(g.values[source].shape))))


def _slice(g: Growing) -> Node:
    source = g.any()
    shape = g.values[source].shape
    starts = tuple(int(g.rng.integers(size)) if g.rng.integers(2) else 0 for size in shape)
    stops = tuple(int(g.rng.integers(start + 1, size + 1)) for start, size in zip(starts, shape, strict=True))
    return Slice(
        name=g.free(),
        inputs=(source,),
        starts=starts,
        stops=stops,
        steps=tuple(g.rng.integers(1, 3, len(shape)).tolist()),
    )


def _transpose(g: Growing) -> Node:
    source = g.any((2, 3))
    return Transpose(
        name=g.free(), inputs=(source,), order=tuple(g.rng.permutation(len(g.values[source].shape)).tolist())
    )


def _pad(g: Growing) -> Node:
    """Some axes grow at their ends or between their codes, some are cropped."""
    source = g.any()
    shape = g.values[source].shape
    before, after, interior = (
        tuple(g.rng.choice(amounts, len(shape)).tolist()) for amounts in ([0, 0, 1, 2], [0, 0, 1, -1], [0, 0, 0, 1])
    )
    least = tuple(max(more, 0) if size == 1 else more for size, more in zip(shape, after, strict=True))
    return Pad(name=g.free(), inputs=(source,), before=before, after=least, interior=interior)


def _upsample(g: Growing) -> Node:
    source = g.any()
    return Upsample(
        name=g.free(), inputs=(source,), factors=tuple(g.rng.integers(1, 3, len(g.values[source].shape)).tolist())
    )


def _requantize(g: Growing) -> Node:
    """A format of its own, near the value's: the palette's casts occur anyway."""
    source = g.any(most=LONG)
    form, rounding, overflow = g.one_of(g.palette.casts)
    near = g.values[source].format
    target = FixedPoint(form.width, near.frac - int(g.rng.integers(-1, max(2, near.width // 2))), form.signed)
    return Requantize(name=g.free(), inputs=(source,), format=target, rounding=rounding, overflow=overflow)


def _requantize_each(g: Growing) -> Node:
    source = g.any()
    value, (form, rounding, overflow) = g.values[source], g.one_of(g.palette.casts)
    grid = tuple(size if g.rng.integers(2) else 1 for size in value.shape)
    fracs = value.format.frac + g.rng.integers(-2, 1, grid)
    widths = np.where(g.rng.random(grid) < 0.1, 0, form.width)
    return RequantizeEach(
        name=g.free(), inputs=(source,), fracs=Tensor(fracs, FixedPoint(12, 0)), rounding=rounding, overflow=overflow,
        widths=Tensor(widths, FixedPoint(6, 0, signed=False)), signed=form.signed,
    )  # fmt: skip


def _requantize_minifloat(g: Growing) -> Node:
    """Its numbers somewhere near those of the input."""
    source, form = g.any(), Minifloat.parse(g.one_of(g.palette.minifloats))
    moved = replace(form, bias=g.values[source].format.frac - form.mantissa + int(g.rng.integers(-2, 5)))
    rounding = g.one_of(list(FloatRounding))
    return RequantizeMinifloat(name=g.free(), inputs=(source,), minifloat=moved, rounding=rounding)


def _argmax(g: Growing) -> Node:
    return ArgMax(name=g.free(), inputs=(g.any((1,)),))


def _softmax(g: Growing) -> Node:
    source = g.any()
    if g.values[source].format.frac > _ADDRESS:
        source = g.add(Requantize(name=g.free("c"), inputs=(source,), format=FixedPoint(8, _ADDRESS)))
    axis = int(g.rng.integers(len(g.values[source].shape)))
    return Softmax(name=g.free(), inputs=(source,), axis=axis, mantissa=int(g.rng.integers(2, 12)))


_ADDRESS = 12  # fractional bits that a softmax reads at most


DRAWS: dict[type[Node], Callable[[Growing], Node]] = {
    Dense: _dense,
    Conv2d: _conv2d,
    ScaleShift: _scale_shift,
    Relu: _relu,
    Add: _add,
    Sub: _broadcast(Sub),
    Mul: _broadcast(Mul),
    Table: _table,
    Lookup: _lookup,
    LutDense: _lut_dense,
    MatMul: _matmul,
    MaxPool2d: _max_pool,
    AvgPool2d: _avg_pool,
    ReduceMax: _reduction(ReduceMax),
    ReduceSum: _reduction(ReduceSum),
    Flatten: _flatten,
    Reshape: _reshape,
    Concat: _concat,
    Slice: _slice,
    Transpose: _transpose,
    Pad: _pad,
    Upsample: _upsample,
    Requantize: _requantize,
    RequantizeEach: _requantize_each,
    RequantizeMinifloat: _requantize_minifloat,
    ArgMax: _argmax,
    Softmax: _softmax,
}


def drawn(seed: int) -> Graph:
    """Three to five operators and what they need; one operator in turn, the others by lot; every end leaves."""
    growing, turns = Growing(seed), list(DRAWS.values())
    chosen = [growing.one_of(turns) for _ in range(int(growing.rng.integers(2, 5)))]
    chosen.insert(int(growing.rng.integers(len(chosen) + 1)), turns[seed % len(turns)])
    for draw in chosen:
        growing.add(draw(growing))
    read = {name for node in growing.nodes for name in node.inputs}
    ends = [node.name for node in growing.nodes if node.name not in read]
    inner = growing.one_of(growing.nodes).name
    outputs = ends if inner in ends or growing.rng.integers(4) else [*ends, inner]
    return Graph(f"r{seed}", tuple(growing.nodes), tuple(outputs))
