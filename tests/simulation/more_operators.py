"""Graphs of the operators that came with softmax and later: many in one, since such a test waits for the compiler."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np

from flow.formats import FixedPoint, FloatRounding, Minifloat, Overflow, Rounding
from flow.ir import (
    Concat,
    Conv2d,
    Graph,
    Input,
    Lookup,
    MatMul,
    Mul,
    Node,
    Pad,
    ReduceMax,
    ReduceSum,
    Requantize,
    RequantizeEach,
    RequantizeMinifloat,
    Reshape,
    Slice,
    Softmax,
    Sub,
    Table,
    Tensor,
    Transpose,
    Upsample,
)
from tests.graphs import fmt, random_tensor

MINIFLOATS = ("e0m3", "e3m0", "e2m1", "e3m2", "e4m3fn", "e4m3fnuz", "e5m2ieee", "ue4m0", "ue3m2ieee")
NARROW = [(2, 3, 4), (1, 3, 4), (2, 1, 4), (2, 3, 1), (1, 1, 4), (1, 3, 1), (2, 1, 1), (1, 1, 1)]


def random_format(rng: np.random.Generator, near: int) -> FixedPoint:
    return FixedPoint(int(rng.integers(1, 11)), near + int(rng.integers(-3, 4)), signed=bool(rng.integers(2)))


def pairs_graph(seed: int) -> Graph:
    """Differences and products of operands that are narrow along any axes, of any formats."""
    rng = np.random.default_rng(seed)
    nodes: list[Node] = [Input(name="x", shape=(2, 3, 4), format=fmt("s11.4"))]
    for number, shape in enumerate(NARROW):
        nodes.append(Requantize(name=f"n{number}", inputs=("x",), format=random_format(rng, 3), overflow=Overflow.WRAP))
        for axis in [axis for axis, size in enumerate(shape) if size == 1]:
            reduce = ReduceMax if rng.integers(2) else ReduceSum
            nodes.append(reduce(name=f"n{number}.{axis}", inputs=(nodes[-1].name,), axis=axis))
        nodes.append(Reshape(name=f"side{number}", inputs=(nodes[-1].name,), shape=shape))
    ends = []
    for number, (left, right) in enumerate(itertools.product(range(8), range(8))):
        if number % 9 == seed % 9:
            cls = Mul if rng.integers(2) else Sub
            nodes.append(cls(name=f"pair{left}{right}", inputs=(f"side{left}", f"side{right}")))
            ends.append(nodes[-1].name)
    return Graph(f"pairs_{seed}", tuple(nodes), tuple(ends))


def places_graph(seed: int) -> Graph:
    """Casts with a format per place, some of no bits; six seeds in a row have every pair of modes."""
    rng = np.random.default_rng(seed)
    nodes: list[Node] = [Input(name="x", shape=(2, 3, 4), format=fmt("s9.4"))]
    for number, (rounding, mode) in list(enumerate(itertools.product(Rounding, Overflow)))[seed % 6 :: 6]:
        grid, signed = NARROW[number % len(NARROW)], mode is Overflow.WRAP_SM or bool(rng.integers(2))
        nodes.append(RequantizeEach(
            name=f"{rounding.value}.{mode.value}", inputs=("x",), fracs=Tensor(rng.integers(-2, 7, grid), fmt("s4.0")),
            widths=Tensor(rng.integers(0, 7, grid), fmt("u3.0")), signed=signed, rounding=rounding, overflow=mode,
        ))  # fmt: skip
    return Graph(f"places_{seed}", tuple(nodes), tuple(node.name for node in nodes[1:]))


def tables_graph(seed: int) -> Graph:
    """Tables over signed, unsigned, one-sided and single codes, and the sums and maxima of what they give."""
    rng = np.random.default_rng(seed)
    nodes: list[Node] = [Input(name="x", shape=(3, 4), format=fmt("s7.3"))]
    ends = []
    for number, text in enumerate(("s7.3", "u5.1", "s1.0") if seed % 2 == 0 else ("s3.0", "u3.2", "u1.0")):
        nodes.append(Requantize(name=f"c{number}", inputs=("x",), format=fmt(text), overflow=Overflow.WRAP))
        form, spare = nodes[-1].format, int(rng.integers(0, 4))
        entries = random_tensor(rng, ((1 << form.width) + 2 * spare,), str(random_format(rng, 2)))
        nodes.append(Table(name=f"t{number}", inputs=(f"c{number}",), entries=entries, first=form.low - spare))
        nodes.append(ReduceSum(name=f"s{number}", inputs=(f"t{number}",), axis=number % 2))
        nodes.append(ReduceMax(name=f"m{number}", inputs=(f"t{number}",), axis=(number + 1) % 2))
        ends += [f"t{number}", f"s{number}", f"m{number}"]
    nodes.append(ReduceSum(name="positive", inputs=("c1",), axis=0))
    few = random_tensor(rng, (3 * 31 + 40,), "s9.2")
    nodes.append(Table(name="beyond", inputs=("positive",), entries=few, first=-2))
    return Graph(f"tables_{seed}", tuple(nodes), (*ends, "beyond"))


def minifloats_graph(source: str, shift: int, each: int = 1) -> Graph:
    """Nine minifloats, five roundings, or each so many; `shift` bits of the input lie below the smallest number."""
    form = fmt(source)
    nodes: list[Node] = [Input(name="x", shape=(1,), format=form)]
    for text, rounding in list(itertools.product(MINIFLOATS, FloatRounding))[::each]:
        made = Minifloat.parse(text)
        moved = replace(made, bias=1 - made.mantissa - shift + form.frac)
        name = f"{text}.{rounding.value}"
        nodes.append(RequantizeMinifloat(name=name, inputs=("x",), minifloat=moved, rounding=rounding))
    return Graph(f"minifloats_{shift}", tuple(nodes), tuple(node.name for node in nodes[1:]))


def random_cut(rng: np.random.Generator, size: int) -> tuple[int, int, int]:
    """Start, stop and step of some places of an axis."""
    start = int(rng.integers(0, size))
    return start, int(rng.integers(start + 1, size + 1)), int(rng.integers(1, 4))


def moves_graph(seed: int) -> Graph:
    """Values of any formats joined along every axis of one to four, some of them twice or shorter, cut and turned."""
    rng = np.random.default_rng(seed)
    nodes: list[Node] = [Input(name="x", shape=(24,), format=fmt("s11.4"))]
    casts = [f"c{number}" for number in range(4)]
    for name in casts:
        nodes.append(Requantize(name=name, inputs=("x",), format=random_format(rng, 3), overflow=Overflow.WRAP))
    ends = []
    for shape in [(24,), (4, 6), (2, 3, 4), (2, 3, 2, 2)]:
        for axis in range(len(shape)):
            place, count = f"{len(shape)}{axis}", int(rng.integers(1, 6))
            parts = [f"{name}.{place}" for name in rng.choice(casts, count)]
            nodes += [
                Reshape(name=name, inputs=(name.split(".")[0],), shape=shape) for name in dict.fromkeys(sorted(parts))
            ]
            nodes.append(ReduceMax(name=f"one.{place}", inputs=(parts[0],), axis=axis))
            starts, stops, steps = zip(*(random_cut(rng, size) for size in shape), strict=True)
            nodes.append(Slice(name=f"cut.{place}", inputs=(parts[0],), starts=starts, stops=stops, steps=steps))
            order = tuple(rng.permutation(len(shape)).tolist())
            nodes.append(Transpose(name=f"turned.{place}", inputs=(f"one.{place}" if axis else parts[0],), order=order))
            ends += [f"cut.{place}", f"turned.{place}", f"y.{place}"]
            nodes.append(Concat(name=ends[-1], inputs=(*parts, f"one.{place}"), axis=axis))
    return Graph(f"moves_{seed}", tuple(nodes), tuple(ends))


def spread_graph(seed: int) -> Graph:
    """Padding at any side and between, cropping, upsampling, on one axis to four, and what a transposed one does."""
    rng = np.random.default_rng(seed)
    nodes: list[Node] = [Input(name="x", shape=(2, 3, 4), format=fmt("s7.3"))]
    shapes = [(24,), (6, 4), (2, 3, 4), (2, 1, 3, 4)]
    for number, shape in enumerate(shapes):
        source, crop = f"shape{number}", int(rng.integers(2))
        interior, before, after = (tuple(rng.integers(low, 3, len(shape)).tolist()) for low in (0, -crop, crop - 1))
        ends = [tuple(max(end, 0) if size == 1 else end for end, size in zip(held, shape, strict=True))
                for held in (before, after)]  # fmt: skip
        nodes += [
            Reshape(name=source, inputs=("x",), shape=shape),
            Pad(name=f"pad{number}", inputs=(source,), before=ends[0], after=ends[1], interior=interior),
            Upsample(name=f"up{number}", inputs=(source,), factors=tuple(rng.integers(1, 4, len(shape)).tolist())),
        ]
    plane = {"before": (0, 1, 0), "after": (0, 2, 1), "interior": (0, 1, 2)}
    nodes += [
        Pad(name="apart", inputs=("x",), **plane),
        Conv2d(name="transposed", inputs=("apart",), weight=random_tensor(rng, (3, 2, 3, 2), "s4.2"), padding=(0, 1)),
    ]
    ends_of_all = [f"{kind}{number}" for number in range(len(shapes)) for kind in ("pad", "up")]
    return Graph(f"spread_{seed}", tuple(nodes), (*ends_of_all, "transposed"))


def attention_graph(seed: int) -> Graph:
    """Matrices of any formats multiplied, of one pair and of several, and rows by their number on one axis and two."""
    rng = np.random.default_rng(seed)
    nodes: list[Node] = [Input(name="x", shape=(12,), format=fmt("s9.3"))]
    ends = []
    pairs = [
        ((3, 4), (4, 3)),
        ((1, 12), (12, 1)),
        ((12, 1), (1, 12)),
        ((2, 2, 3), (2, 3, 2)),
        ((2, 1, 3, 2), (2, 1, 2, 3)),
    ]
    for number, shapes in enumerate(pairs):
        for side, shape in zip("ab", shapes, strict=True):
            form = random_format(rng, 3)
            nodes += [
                Requantize(name=f"{side}{number}.in", inputs=("x",), format=form, overflow=Overflow.WRAP),
                Reshape(name=f"{side}{number}", inputs=(f"{side}{number}.in",), shape=shape),
            ]
        ends.append(f"product{number}")
        nodes.append(MatMul(name=ends[-1], inputs=(f"a{number}", f"b{number}")))
    for number, shape in enumerate([(12,), (3, 4), (2, 3, 2)]):
        index = FixedPoint(int(rng.integers(1, 6)), 0, signed=False)
        rows = random_tensor(rng, ((1 << index.width) + number, int(rng.integers(1, 4))), str(random_format(rng, 2)))
        nodes += [
            Requantize(name=f"index{number}.in", inputs=("x",), format=index, overflow=Overflow.WRAP),
            Reshape(name=f"index{number}", inputs=(f"index{number}.in",), shape=shape),
            Lookup(name=f"rows{number}", inputs=(f"index{number}",), rows=rows),
        ]
        ends.append(f"rows{number}")
    return Graph(f"attention_{seed}", tuple(nodes), tuple(ends))


def shares_graph(seed: int) -> Graph:
    """Softmax along every axis of one to four, of formats with more fractional bits than others and with none."""
    rng = np.random.default_rng(seed)
    nodes: list[Node] = [Input(name="x", shape=(24,), format=fmt("s9.3"))]
    ends = []
    for number, shape in enumerate([(24,), (4, 6), (2, 3, 4), (2, 3, 2, 2), (24, 1)]):
        for axis in range(len(shape)):
            place, form = f"{number}{axis}", random_format(rng, 3)
            ends.append(f"shares{place}")
            nodes += [
                Requantize(name=f"c{place}", inputs=("x",), format=form, overflow=Overflow.WRAP),
                Reshape(name=f"r{place}", inputs=(f"c{place}",), shape=shape),
                Softmax(name=ends[-1], inputs=(f"r{place}",), axis=axis, mantissa=int(rng.integers(1, 15))),
            ]
    return Graph(f"shares_{seed}", tuple(nodes), tuple(ends))
