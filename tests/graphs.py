"""Graphs for tests: the two shapes of the demo with random constants, and random graphs over every operator."""

from __future__ import annotations

import itertools

import numpy as np

from flow.formats import FixedPoint, Minifloat, Overflow, Rounding
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
    MaxPool2d,
    Node,
    ReduceMax,
    ReduceSum,
    Relu,
    Requantize,
    RequantizeEach,
    RequantizeMinifloat,
    ScaleShift,
    Slice,
    Sub,
    Tensor,
    Transpose,
)

MONOTONE = (Overflow.SAT, Overflow.SAT_SYM)
MAX_BITS = 24  # what stock Conv operators carry exactly in float32


def fmt(text: str) -> FixedPoint:
    return FixedPoint.parse(text)


def random_tensor(rng: np.random.Generator, shape: tuple[int, ...], text: str) -> Tensor:
    form = fmt(text)
    return Tensor(rng.integers(form.low, form.high, shape, endpoint=True), form)


def random_codes(graph: Graph, count: int, seed: int = 0) -> np.ndarray:
    """int64[count, *shape] uniform over every code of the input; the first two samples are all lowest, all highest."""
    form = graph.input.format
    codes = np.random.default_rng(seed).integers(form.low, form.high, (count, *graph.input.shape), endpoint=True)
    codes[0], codes[min(1, count - 1)] = form.low, form.high
    return codes


def mlp_graph(seed: int = 0, sizes: tuple[int, ...] = (64, 32, 32, 10)) -> Graph:
    """Dense, ReLU, requantise, as the demo's `digits_mlp` lowers; logits are exact sums."""
    rng = np.random.default_rng(seed)
    nodes: list[Node] = [Input(name="input", shape=(sizes[0],), format=fmt("u6.5"))]
    for i, (fan_in, fan_out) in enumerate(itertools.pairwise(sizes), start=1):
        weight, bias = random_tensor(rng, (fan_out, fan_in), "s6.6"), random_tensor(rng, (fan_out,), "s6.5")
        nodes.append(Dense(name=f"fc{i}", inputs=(nodes[-1].name,), weight=weight, bias=bias, origin=f"fc{i}"))
        if i < len(sizes) - 1:
            nodes.append(Relu(name=f"relu{i}", inputs=(nodes[-1].name,)))
            nodes.append(Requantize(name=f"fc{i}.out", inputs=(nodes[-1].name,), format=fmt("u6.3")))
    return Graph("mlp", tuple(nodes), (nodes[-1].name,))


def resnet_graph(seed: int = 0, channels: int = 8, size: int = 8) -> Graph:
    """Conv, scale and shift, ReLU, one residual add, both poolings, Dense and ArgMax, as `digits_resnet` lowers."""
    rng = np.random.default_rng(seed)
    window = (size // 2, size // 2)

    def conv(name: str, source: str, channels: int, fan: int) -> list[Node]:
        weight = random_tensor(rng, (channels, fan, 3, 3), "s6.6")
        scale, shift = random_tensor(rng, (channels,), "s6.3"), random_tensor(rng, (channels,), "s6.3")
        return [
            Conv2d(name=name, inputs=(source,), weight=weight, padding=(1, 1)),
            Requantize(name=f"{name}.sum", inputs=(name,), format=fmt("s8.3")),
            ScaleShift(name=f"{name}.bn", inputs=(f"{name}.sum",), scale=scale, shift=shift),
        ]

    nodes: list[Node] = [
        Input(name="input", shape=(1, size, size), format=fmt("u6.5")),
        *conv("stem", "input", channels, 1),
        Relu(name="stem.relu", inputs=("stem.bn",)),
        Requantize(name="stem.out", inputs=("stem.relu",), format=fmt("u6.2")),
        *conv("block", "stem.out", channels, channels),
        Requantize(name="block.cast", inputs=("block.bn",), format=fmt("s8.3")),
        Add(name="add", inputs=("block.cast", "stem.out")),
        Relu(name="add.relu", inputs=("add",)),
        Requantize(name="add.out", inputs=("add.relu",), format=fmt("u6.1")),
        MaxPool2d(name="max", inputs=("add.out",), kernel=(2, 2), stride=(2, 2)),
        AvgPool2d(name="avg", inputs=("max",), kernel=window, stride=window, scale=Tensor(np.array(1), fmt("u1.4"))),
        Requantize(name="avg.out", inputs=("avg",), format=fmt("u6.1")),
        Flatten(name="flat", inputs=("avg.out",)),
        Dense(name="fc", inputs=("flat",), weight=random_tensor(rng, (10, channels), "s6.6")),
        ArgMax(name="class", inputs=("fc",)),
    ]
    return Graph("resnet", tuple(nodes), ("fc", "class"))


def mixed_graph(seed: int = 0) -> Graph:
    """Branches that join row by row and channel by channel, casts by place and to a minifloat, moves, two answers."""
    rng = np.random.default_rng(seed)
    fracs, widths = Tensor(np.array([[[1]], [[0]]]), fmt("u1.0")), Tensor(np.array([[[4]], [[5]]]), fmt("u3.0"))
    near = random_tensor(rng, (2, 2, 3, 3), "s3.1")
    nodes = (
        Input(name="x", shape=(2, 4, 4), format=fmt("s4.2")),
        Conv2d(name="near", inputs=("x",), weight=near, padding=(1, 1)),
        RequantizeEach(name="near.out", inputs=("near",), fracs=fracs, widths=widths, signed=True),
        Conv2d(name="point", inputs=("x",), weight=random_tensor(rng, (2, 2, 1, 1), "s3.1")),
        RequantizeMinifloat(name="point.out", inputs=("point",), minifloat=Minifloat.parse("e2m1b1")),
        Concat(name="rows", inputs=("near.out", "point.out", "x"), axis=1),
        Transpose(name="turned", inputs=("rows",), order=(1, 0, 2)),
        Slice(name="cut", inputs=("turned",), starts=(0, 0, 0), stops=(12, 2, 4), steps=(3, 1, 2)),
        MaxPool2d(name="max", inputs=("cut",), kernel=(2, 2), stride=(2, 2)),
        Flatten(name="flat", inputs=("max",)),
        ReduceMax(name="top", inputs=("flat",), axis=0),
        Sub(name="below", inputs=("flat", "top")),
        Concat(name="both", inputs=("near.out", "x"), axis=0),
        ReduceSum(name="sums", inputs=("both",), axis=1),
    )
    return Graph("mixed", nodes, ("below", "sums"))


def _requantize(rng: np.random.Generator, name: str, source: str, frac: int, width: int) -> Requantize:
    """A random cast that keeps some meaning: drops up to half the bits, any rounding, any legal overflow."""
    signed = bool(rng.integers(2))
    target = FixedPoint(int(rng.integers(2, 9)), frac - int(rng.integers(-1, max(2, width // 2))), signed)
    modes = [mode for mode in Overflow if signed or mode is not Overflow.WRAP_SM]
    rounding, mode = list(Rounding)[rng.integers(7)], modes[rng.integers(len(modes))]
    return Requantize(name=name, inputs=(source,), format=target, rounding=rounding, overflow=mode)


def _spatial_step(rng: np.random.Generator, name: str, source: str, graph: Graph) -> list[Node]:
    value = graph.values[source]
    channels, height, width = value.shape
    choice = rng.integers(6)
    if choice == 0:
        groups = int(rng.choice([g for g in (1, channels) if channels % g == 0]))
        out, kernel = groups * int(rng.integers(1, 4)), (min(height, 3), min(width, 2))
        weight = random_tensor(rng, (out, channels // groups, *kernel), f"s{rng.integers(2, 7)}.{rng.integers(-1, 6)}")
        bias = random_tensor(rng, (out,), f"s6.{rng.integers(0, 8)}") if rng.integers(2) else None
        stride, padding = (
            (int(rng.integers(1, 3)), int(rng.integers(1, 3))),
            (int(rng.integers(2)), int(rng.integers(2))),
        )
        return [
            Conv2d(name=name, inputs=(source,), weight=weight, bias=bias, stride=stride, padding=padding, groups=groups)
        ]
    if choice == 1:
        scale, shift = random_tensor(rng, (channels,), "s5.3"), random_tensor(rng, (channels,), "s6.2")
        return [ScaleShift(name=name, inputs=(source,), scale=scale, shift=shift)]
    if choice == 2 and min(height, width) >= 2:
        return [MaxPool2d(name=name, inputs=(source,), kernel=(2, 2), stride=(int(rng.integers(1, 3)), 2))]
    if choice == 3 and min(height, width) >= 2:
        scale = Tensor(np.array(rng.integers(1, 32)), fmt("u5.6"))
        return [AvgPool2d(name=name, inputs=(source,), kernel=(2, 2), stride=(2, 1), scale=scale)]
    if choice == 4:
        earlier = [n.name for n in graph if graph.values[n.name].shape == value.shape]
        return [Add(name=name, inputs=(source, str(rng.choice(earlier))))]
    return [Relu(name=name, inputs=(source,))]


def _vector_step(rng: np.random.Generator, name: str, source: str, graph: Graph) -> list[Node]:
    value = graph.values[source]
    if rng.integers(3) == 0:
        return [Relu(name=name, inputs=(source,))]
    out = int(rng.integers(1, 9))
    weight = random_tensor(rng, (out, value.size), f"s{rng.integers(2, 7)}.{rng.integers(-1, 6)}")
    bias = random_tensor(rng, (out,), f"s6.{rng.integers(0, 8)}") if rng.integers(2) else None
    return [Dense(name=name, inputs=(source,), weight=weight, bias=bias)]


def random_graph(seed: int, steps: int = 6, spatial: bool = True) -> Graph:
    """A random chain with random formats, casts wherever a value grows past 16 bits, sometimes an ArgMax at the end.

    With `spatial=False` only vector operators occur: Dense, Relu, Requantize, ArgMax.
    """
    rng = np.random.default_rng(seed)
    sign, width = "us"[rng.integers(2)], int(rng.integers(2, 7))
    shape = tuple(rng.integers(2, 6, 3).tolist()) if spatial else (int(rng.integers(2, 17)),)
    nodes: list[Node] = [Input(name="input", shape=shape, format=fmt(f"{sign}{width}.{rng.integers(-1, 7)}"))]

    def grow(step: list[Node]) -> Graph:
        nodes.extend(step)
        return Graph(f"random_{seed}", tuple(nodes), (nodes[-1].name,))

    graph = grow([])
    for i in range(steps):
        source = nodes[-1].name
        if len(graph.values[source].shape) == 3 and i == steps - 2:
            graph = grow([Flatten(name=f"n{i}.flat", inputs=(source,))])
            source = nodes[-1].name
        make = _spatial_step if len(graph.values[source].shape) == 3 else _vector_step
        graph = grow(make(rng, f"n{i}", source, graph))
        form = graph.values[nodes[-1].name].format
        if form.width > 12 or rng.integers(2):
            graph = grow([_requantize(rng, f"n{i}.cast", nodes[-1].name, form.frac, form.width)])
    if rng.integers(3) == 0:
        graph = grow([ArgMax(name="class", inputs=(nodes[-1].name,))])
    return graph
