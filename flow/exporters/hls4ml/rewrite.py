"""A graph in the operators that hls4ml has: what it lacks, or computes otherwise, in terms of what it computes exactly.

Every node keeps its name and its codes; new nodes stand before the one they serve and are called `NAME#PART`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from flow.exporters.hls4ml import rewrite_moves
from flow.exporters.hls4ml.entries import Nodes
from flow.exporters.hls4ml.rewrite_spatial import pad, upsample
from flow.exporters.lut_rows import lut_rows
from flow.exporters.names import part_name
from flow.formats import FixedPoint, Overflow, Rounding
from flow.ir import (
    Add,
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
    Requantize,
    RequantizeEach,
    RequantizeMinifloat,
    Reshape,
    ScaleShift,
    Slice,
    Sub,
    Table,
    Tensor,
    Transpose,
    Upsample,
    Value,
)

__all__ = ["REWRITES", "rewrite"]

_BIT = FixedPoint(1, 0, signed=False)


def _ones(*shape: int) -> Tensor:
    return Tensor(np.ones(shape, dtype=np.int64), _BIT)


def _conv2d(node: Conv2d, types: tuple[Value, ...]) -> Nodes:
    """Groups other than one per channel become one group with zeros: hls4ml has plain and depthwise only."""
    outputs, per_group = node.weight.shape[:2]
    if node.groups == 1 or node.groups == outputs == types[0].shape[0]:
        return [node]
    codes = np.zeros((outputs, types[0].shape[0], *node.kernel), dtype=np.int64)
    each = outputs // node.groups
    for group in range(node.groups):
        rows, columns = slice(group * each, (group + 1) * each), slice(group * per_group, (group + 1) * per_group)
        codes[rows, columns] = node.weight.codes[rows]
    return [replace(node, groups=1, weight=Tensor(codes, node.weight.format))]


def _avg_pool(node: AvgPool2d, types: tuple[Value, ...]) -> Nodes:
    """A depthwise convolution with the scale as every weight: hls4ml's average pooling divides and truncates."""
    channels = types[0].shape[0]
    weight = Tensor(np.full((channels, 1, *node.kernel), node.scale.codes), node.scale.format)
    return [
        Conv2d(
            name=node.name, inputs=node.inputs, origin=node.origin, weight=weight, stride=node.stride, groups=channels
        )
    ]  # fmt: skip


def _reduction(node: ReduceMax | ReduceSum, types: tuple[Value, ...], make: Callable[[str, str, int], Node]) -> Nodes:
    """The axis as the height of a window that covers it, in an image of one channel."""
    shape = types[0].shape
    size, before, after = shape[node.axis], math.prod(shape[: node.axis]), math.prod(shape[node.axis + 1 :])
    source, reduced = part_name(node, "image"), part_name(node, "window")
    return [
        Reshape(name=source, inputs=node.inputs, origin=node.origin, shape=(1, before * size, after)),
        make(reduced, source, size),
        Reshape(name=node.name, inputs=(reduced,), origin=node.origin, shape=node.reduced_shape(types[0])),
    ]


def _reduce_max(node: ReduceMax, types: tuple[Value, ...]) -> Nodes:
    def pool(name: str, source: str, size: int) -> Node:
        return MaxPool2d(name=name, inputs=(source,), origin=node.origin, kernel=(size, 1), stride=(size, 1))

    return _reduction(node, types, pool)


def _reduce_sum(node: ReduceSum, types: tuple[Value, ...]) -> Nodes:
    def convolution(name: str, source: str, size: int) -> Node:
        weight = _ones(1, 1, size, 1)
        return Conv2d(name=name, inputs=(source,), origin=node.origin, weight=weight, stride=(size, 1))

    return _reduction(node, types, convolution)


def _broadcast(node: Sub | Mul, types: tuple[Value, ...]) -> Nodes:
    """The shorter operand copied to its places by a matrix of zeros and ones: hls4ml repeats whole arrays only."""
    nodes: Nodes = []
    shape, inputs = node.result_shape(*types), list(node.inputs)
    for side, (name, value) in enumerate(zip(node.inputs, types, strict=True)):
        if value.shape == shape:
            continue
        places = np.broadcast_to(np.arange(value.size).reshape(value.shape), shape).ravel()
        flat, copied, inputs[side] = (part_name(node, f"{part}{side}") for part in ("flat", "copied", "operand"))
        matrix = Tensor((places[:, None] == np.arange(value.size)).astype(np.int64), _BIT)
        nodes += [
            Flatten(name=flat, inputs=(name,), origin=node.origin),
            Dense(name=copied, inputs=(flat,), origin=node.origin, weight=matrix),
            Reshape(name=inputs[side], inputs=(copied,), origin=node.origin, shape=shape),
        ]
    return [*nodes, replace(node, inputs=tuple(inputs))]


def _matmul(node: MatMul, types: tuple[Value, ...]) -> Nodes:
    """Every product by itself, then sums: hls4ml multiplies two values place by place only."""
    a, b = (value.shape for value in types)
    count, rows, terms, columns = math.prod(a[:-2]), a[-2], a[-1], b[-1]
    shapes = [(count, rows, terms, 1), (count, 1, terms, columns)]
    sides = [part_name(node, part) for part in ("left", "right")]
    products, sums = part_name(node, "products"), part_name(node, "sums")
    return [
        *(
            Reshape(name=side, inputs=(name,), origin=node.origin, shape=shape)
            for side, name, shape in zip(sides, node.inputs, shapes, strict=True)
        ),
        Mul(name=products, inputs=tuple(sides), origin=node.origin),
        ReduceSum(name=sums, inputs=(products,), origin=node.origin, axis=2),
        Reshape(name=node.name, inputs=(sums,), origin=node.origin, shape=(*a[:-1], columns)),
    ]


def _lookup(node: Lookup, types: tuple[Value, ...]) -> Nodes:
    """Rows of a vector's codes: hls4ml would keep three axes as an image."""
    (x,) = types
    if len(x.shape) == 1:
        return [node]
    flat, rows = part_name(node, "flat"), part_name(node, "rows")
    return [
        Flatten(name=flat, inputs=node.inputs, origin=node.origin),
        replace(node, name=rows, inputs=(flat,)),
        Reshape(name=node.name, inputs=(rows,), origin=node.origin, shape=(*x.shape, node.rows.shape[1])),
    ]


def _scale_shift(node: ScaleShift, types: tuple[Value, ...]) -> Nodes:
    """hls4ml repeats scale and shift along the last axis, which is the channel of images and vectors only."""
    shape = types[0].shape
    if len(shape) in (1, 3):
        return [node]
    flat, scaled, repeats = part_name(node, "flat"), part_name(node, "scaled"), math.prod(shape[1:])
    scale = Tensor(node.scale.codes.repeat(repeats), node.scale.format)
    shift = Tensor(node.shift.codes.repeat(repeats), node.shift.format)
    return [
        Flatten(name=flat, inputs=node.inputs, origin=node.origin),
        ScaleShift(name=scaled, inputs=(flat,), origin=node.origin, scale=scale, shift=shift),
        Reshape(name=node.name, inputs=(scaled,), origin=node.origin, shape=shape),
    ]


def _requantize(node: Requantize, types: tuple[Value, ...]) -> Nodes:
    """Where rounding drops more bits than there are, ap_fixed reads one beyond: a wider copy has it."""
    (x,) = types
    dropped = x.format.frac - node.format.frac
    if dropped < x.format.width:
        return [node]
    wide = replace(x.format, width=dropped + 1)
    copy = Requantize(
        name=part_name(node, "wide"), inputs=node.inputs, origin=node.origin, format=wide, rounding=Rounding.TRN,
        overflow=Overflow.WRAP,
    )  # fmt: skip
    return [copy, replace(node, inputs=(copy.name,))]


@dataclass(frozen=True, slots=True)
class _Places:
    """Fractional bits and word length per channel, int64[C] each."""

    fracs: NDArray[np.int64]
    widths: NDArray[np.int64]


def _scaled(node: Node, name: str, source: str, factors: Tensor, frac: int) -> ScaleShift:
    """`source` times a factor per channel, nothing added; the result has `frac` fractional bits."""
    zeros = Tensor(np.zeros(factors.shape, dtype=np.int64), FixedPoint(1, frac, signed=False))
    return ScaleShift(name=name, inputs=(source,), origin=node.origin, scale=factors, shift=zeros)


def _powers(exponents: NDArray[np.int64], here: NDArray[np.bool_], frac: int) -> Tensor:
    """`2**exponents` where `here`, else 0."""
    codes = np.where(here, 1 << np.where(here, exponents, 0), 0)
    return Tensor(codes, FixedPoint.holding(0, int(codes.max()), frac))


def _word(node: RequantizeEach, name: str, source: str, x_frac: int, places: _Places, width: int) -> Nodes:
    """The channels of one word length, lifted to one binary point, cast and brought back; the others become 0."""
    fracs, here = places.fracs, places.widths == width
    least, most = int(fracs[here].min()), int(fracs[here].max())
    lifted, rounded = f"{name}.lifted", f"{name}.cast"
    cast = replace(node.cast_to(FixedPoint(width, least, node.signed)), name=rounded, inputs=(lifted,))
    return [
        _scaled(node, lifted, source, _powers(fracs - least, here, 0), x_frac),
        cast,
        _scaled(node, name, rounded, _powers(most - fracs, here, most - least), most),
    ]


def _places(node: RequantizeEach, shape: tuple[int, ...]) -> _Places:
    fracs, widths = (np.broadcast_to(held.codes, shape).ravel() for held in (node.fracs, node.widths))
    return _Places(fracs, widths)


def _words(node: RequantizeEach, total: str, source: str, x_frac: int, places: _Places) -> Nodes:
    """A sum over the word lengths, in each of which the places of the other lengths are 0."""
    widths = sorted(set(places.widths.tolist()) - {0})
    if not widths:
        factors = Tensor(np.zeros(places.widths.size, dtype=np.int64), FixedPoint(1, -x_frac, signed=False))
        return [_scaled(node, total, source, factors, 0)]
    if len(widths) == 1:
        return _word(node, total, source, x_frac, places, widths[0])
    names = [part_name(node, f"word{width}") for width in widths]
    sums = [*(part_name(node, f"sum{width}") for width in widths[1:-1]), total]
    words = [_word(node, name, source, x_frac, places, width) for name, width in zip(names, widths, strict=True)]
    pairs = zip([names[0], *sums[:-1]], names[1:], sums, strict=True)
    adds = [Add(name=name, inputs=(first, second), origin=node.origin) for first, second, name in pairs]
    return [*(part for word in words for part in word), *adds]


def _requantize_each(node: RequantizeEach, types: tuple[Value, ...]) -> Nodes:
    """Word by word, where hls4ml has a factor per channel; any other places are first laid out as channels."""
    (x,) = types
    if len(x.shape) in (1, 3) and set(node.fracs.shape[1:]) <= {1}:
        places = _places(node, (x.shape[0], *node.fracs.shape[1:]))
        return _words(node, node.name, node.inputs[0], x.format.frac, places)
    flat, total = part_name(node, "flat"), part_name(node, "places")
    return [
        Flatten(name=flat, inputs=node.inputs, origin=node.origin),
        *_words(node, total, flat, x.format.frac, _places(node, x.shape)),
        Reshape(name=node.name, inputs=(total,), origin=node.origin, shape=x.shape),
    ]


def _requantize_minifloat(node: RequantizeMinifloat, types: tuple[Value, ...]) -> Nodes:
    """A table over every code that the input can have."""
    (x,) = types
    codes = np.arange(x.low, x.high + 1, dtype=np.int64)
    entries = Tensor(node.of(codes, x.format.frac), node.minifloat.fixed_point)
    return [Table(name=node.name, inputs=node.inputs, origin=node.origin, entries=entries, first=x.low)]


REWRITES: dict[type[Node], Callable[..., Nodes]] = {
    Conv2d: _conv2d,
    AvgPool2d: _avg_pool,
    ReduceMax: _reduce_max,
    ReduceSum: _reduce_sum,
    Sub: _broadcast,
    Mul: _broadcast,
    MatMul: _matmul,
    Lookup: _lookup,
    LutDense: lut_rows,
    Concat: rewrite_moves.concat,
    Slice: rewrite_moves.slice_axes,
    Transpose: rewrite_moves.transpose,
    ScaleShift: _scale_shift,
    Pad: pad,
    Upsample: upsample,
    Requantize: _requantize,
    RequantizeEach: _requantize_each,
    RequantizeMinifloat: _requantize_minifloat,
}


def _same(node: Node, types: tuple[Value, ...]) -> Nodes:
    return [node]


def _expand(node: Node, values: dict[str, Value]) -> Nodes:
    """What stands for `node`, rewritten until nothing changes; `values` learns the types of all of it."""
    made: Nodes = REWRITES.get(type(node), _same)(node, tuple(values[name] for name in node.inputs))
    if len(made) > 1 or type(made[0]) is not type(node):
        return [part for piece in made for part in _expand(piece, values)]
    values[node.name] = made[0].infer(*(values[name] for name in made[0].inputs))
    return made


def rewrite(graph: Graph) -> Graph:
    """The same design in hls4ml's operators: every node of `graph` is there under its name, with its codes.

    Args:
        graph: one that `flow.exporters.hls4ml.exact` has no reason against.
    """
    values: dict[str, Value] = {}
    nodes: list[Node] = []
    proved = {node.name: graph.values[node.name] for node in graph if isinstance(node, LutDense)}
    for node in graph:
        nodes += _expand(node, values)
        values[node.name] = proved.get(node.name, values[node.name])
    return Graph(graph.name, tuple(nodes), graph.outputs, proved)
