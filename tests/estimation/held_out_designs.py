"""Random whole designs that no fit may see: 60 of both architectures, 20 streaming ones with DSPs and block RAMs, and
24 of both architectures for LUTs of four inputs.

The numbers and the code that draw them are not those of calibration.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from flow.exporters.verilog import alive, choose_folding, folding_range
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
    Linear,
    MaxPool2d,
    Node,
    Relu,
    Requantize,
    ScaleShift,
    Tensor,
)
from flow.ir.interpret import interpret
from tests.graphs import random_codes

__all__ = ["BOARDS", "COUNT", "KINDS", "LOGIC", "PARTS", "Part", "design", "kind_of", "part_of"]

Pair = tuple[int, int]
KINDS = ("stream mlp", "spatial mlp", "stream conv", "spatial conv", "dsp mlp", "block mlp", "dsp conv", "block conv")


@dataclass(frozen=True, slots=True)
class Part:
    """Designs drawn in the same way.

    Attributes:
        first: number of the first of them.
        seed: chosen before any of them was drawn.
        kinds: in turn.
        boards: in turn, each for all kinds.
        prefix: of the name of a kind.
    """

    first: int
    seed: int
    kinds: tuple[str, ...]
    boards: tuple[str, ...]
    prefix: str = ""

    def board(self, number: int) -> str:
        """The board of a design."""
        return self.boards[number // len(self.kinds) % len(self.boards)]


PARTS = (
    Part(0, 314159, KINDS[:4], ("pynq_z2", "ultra96_v2")),  # in logic, without block RAM
    Part(60, 271828, KINDS[4:], ("pynq_z2", "ultra96_v2")),
    Part(80, 161803, KINDS[:4], ("ulx3s_85f", "ice40_hx8k"), "lut4 "),  # in logic; LUTs have four inputs
)
LOGIC, COUNT = PARTS[1].first, 104
BOARDS = tuple(dict.fromkeys(board for part in PARTS for board in part.boards))


def part_of(number: int) -> Part:
    """The part that a design is of."""
    return next(part for part in reversed(PARTS) if number >= part.first)


def _drawn_as(number: int) -> str:
    kinds = part_of(number).kinds
    return kinds[number % len(kinds)]


def kind_of(number: int) -> str:
    """What a design is drawn as, and for LUT4s."""
    return part_of(number).prefix + _drawn_as(number)


def _tensor(rng: np.random.Generator, shape: tuple[int, ...], width: int, zeros: float = 0.0) -> Tensor:
    form = FixedPoint(width, width - 1, True)
    codes = rng.integers(form.low, form.high, shape, endpoint=True)
    return Tensor(np.where(rng.random(shape) < zeros, 0, codes), form)


def _cast(rng: np.random.Generator, name: str, source: str, wider: int = 0) -> Requantize:
    width = int(rng.integers(3, 8)) + wider
    rounding = Rounding.RND if rng.random() < 0.7 else Rounding.TRN
    form = FixedPoint(width, int(rng.integers(1, width)), False)
    return Requantize(name=name, inputs=(source,), format=form, rounding=rounding, overflow=Overflow.SAT)


def _activated(rng: np.random.Generator, name: str, source: str, wider: int = 0) -> list[Node]:
    return [Relu(name=f"{name}.relu", inputs=(source,)), _cast(rng, f"{name}.out", f"{name}.relu", wider)]


def _mlp(rng: np.random.Generator, name: str, between: Pair, zeros: float = 0.0, wider: int = 0) -> Graph:
    """Two or three layers of `between` neurons; words have `wider` more bits than 3 to 7."""
    sizes = [int(n) for n in rng.integers(*between, int(rng.integers(3, 5)))]
    width = int(rng.integers(3, 8)) + wider
    nodes: list[Node] = [Input(name="x", shape=(sizes[0],), format=FixedPoint(width, width - 1, bool(rng.integers(2))))]
    for i, (fan_in, fan_out) in enumerate(itertools.pairwise(sizes)):
        bias = _tensor(rng, (fan_out,), 6) if rng.integers(2) else None
        weight = _tensor(rng, (fan_out, fan_in), int(rng.integers(3, 8)) + wider, zeros)
        nodes.append(Dense(name=f"fc{i}", inputs=(nodes[-1].name,), weight=weight, bias=bias))
        if i < len(sizes) - 2:
            nodes += _activated(rng, f"fc{i}", nodes[-1].name, wider)
    if rng.integers(2):
        nodes.append(ArgMax(name="class", inputs=(nodes[-1].name,)))
    return Graph(name, tuple(nodes), (nodes[-1].name,))


def _conv(rng: np.random.Generator, name: str, size: int, most: int, wider: int = 0) -> Graph:
    """One or two convolutions, half of the time with a scale, a join or a pool behind them, and a Dense."""
    width, channels = int(rng.integers(3, 7)) + wider, int(rng.integers(min(most, 2), most + 1))
    nodes: list[Node] = [Input(name="x", shape=(1, size, size), format=FixedPoint(width, width - 1, False))]
    weight = _tensor(rng, (channels, 1, 3, 3), int(rng.integers(3, 7)) + wider)
    nodes.append(Conv2d(name="conv", inputs=("x",), weight=weight, padding=(1, 1)))
    if rng.integers(2):
        scale, shift = _tensor(rng, (channels,), 5 + wider), _tensor(rng, (channels,), 6)
        nodes.append(_cast(rng, "conv.sum", "conv", wider))
        nodes.append(ScaleShift(name="bn", inputs=("conv.sum",), scale=scale, shift=shift))
    nodes += _activated(rng, "conv", nodes[-1].name, wider)
    if most > 2 and rng.integers(2):
        weight = _tensor(rng, (channels, channels, 3, 3), int(rng.integers(3, 6)) + wider)
        nodes.append(Conv2d(name="next", inputs=("conv.out",), weight=weight, padding=(1, 1)))
        nodes.append(_cast(rng, "next.sum", "next", wider))
        nodes.append(Add(name="add", inputs=("next.sum", "conv.out")))
        nodes += _activated(rng, "add", "add", wider)
    pool = rng.integers(3)
    if pool == 0:
        nodes.append(MaxPool2d(name="pool", inputs=(nodes[-1].name,), kernel=(2, 2), stride=(2, 2)))
    elif pool == 1:
        mean = Tensor(np.array(1), FixedPoint(1, 2, False))
        nodes.append(AvgPool2d(name="pool", inputs=(nodes[-1].name,), kernel=(2, 2), stride=(2, 2), scale=mean))
        nodes.append(_cast(rng, "pool.out", "pool", wider))
    nodes.append(Flatten(name="flat", inputs=(nodes[-1].name,)))
    held = channels * (size // 2) ** 2 if pool < 2 else channels * size**2
    nodes.append(Dense(name="fc", inputs=("flat",), weight=_tensor(rng, (4, held), 4 + wider)))
    return Graph(name, tuple(nodes), ("fc",))


def _separable(rng: np.random.Generator, name: str, size: int, channels: int, wider: int) -> Graph:
    """A convolution, one of each channel alone, one of each pixel alone, and a Dense."""
    bits = [int(n) + wider for n in rng.integers(3, 7, 4)]
    nodes: list[Node] = [Input(name="x", shape=(1, size, size), format=FixedPoint(bits[0], bits[0] - 1, False))]
    nodes.append(Conv2d(name="conv", inputs=("x",), weight=_tensor(rng, (channels, 1, 3, 3), bits[1]), padding=(1, 1)))
    nodes += _activated(rng, "conv", "conv", wider)
    weight = _tensor(rng, (channels, 1, 3, 3), bits[2])
    nodes.append(Conv2d(name="deep", inputs=("conv.out",), weight=weight, stride=(2, 2), groups=channels))
    nodes += _activated(rng, "deep", "deep", wider)
    weight = _tensor(rng, (2 * channels, channels, 1, 1), bits[3])
    nodes.append(Conv2d(name="point", inputs=("deep.out",), weight=weight))
    nodes += _activated(rng, "point", "point", wider)
    nodes.append(Flatten(name="flat", inputs=("point.out",)))
    held = 2 * channels * ((size - 1) // 2) ** 2
    nodes.append(Dense(name="fc", inputs=("flat",), weight=_tensor(rng, (5, held), 3 + wider)))
    return Graph(name, tuple(nodes), ("fc",))


def _alive(graph: Graph) -> bool:
    """Whether every cast leaves four different codes or more, and random samples give different answers."""
    values = [graph.values[node.name] for node in graph if isinstance(node, Requantize)]
    (answers,) = interpret(graph, random_codes(graph, 64))
    return all(value.high - value.low >= 3 for value in values) and len(np.unique(answers, axis=0)) > 1


def _dsp_conv(rng: np.random.Generator, name: str) -> Graph:
    if rng.integers(2):
        return _separable(rng, name, int(rng.choice([6, 8])), int(rng.integers(2, 5)), 2)
    return _conv(rng, name, int(rng.choice([6, 8])), 4, 2)


def _block_conv(rng: np.random.Generator, name: str) -> Graph:
    if rng.integers(2):
        return _separable(rng, name, int(rng.integers(20, 29)), int(rng.integers(6, 17)), 1)
    return _conv(rng, name, 2 * int(rng.integers(10, 15)), 12, 1)


_DRAW: Mapping[str, Callable[[np.random.Generator, str], Graph]] = {
    "stream mlp": lambda rng, name: _mlp(rng, name, (5, 33)),
    "stream conv": lambda rng, name: _conv(rng, name, int(rng.choice([6, 8])), 4),
    "spatial mlp": lambda rng, name: _mlp(rng, name, (5, 11), float(rng.choice([0.0, 0.5]))),
    "spatial conv": lambda rng, name: _conv(rng, name, 4, 1),
    "dsp mlp": lambda rng, name: _mlp(rng, name, (5, 33), wider=2),
    "dsp conv": _dsp_conv,
    "block mlp": lambda rng, name: _mlp(rng, name, (48, 129), wider=1),
    "block conv": _block_conv,
}
_FASTEST = 12  # cycles a sample; faster ones take Yosys minutes
_PACKED = {"pynq_z2": "dsp48e1", "ultra96_v2": "dsp48e2"}


def _stream_options(rng: np.random.Generator, graph: Graph, kind: str, board: str) -> dict[str, Any]:
    """A folding faster than the default or, where blocks are wanted, slower; layers in logic, in DSPs, or packed."""
    low, high = folding_range(alive(graph))
    low = max(low, _FASTEST)
    ends = (low, max(low, high // 16)) if kind.startswith("dsp") else (max(low, high // 8), max(low, high))
    target = round(float(np.exp(rng.uniform(*np.log(ends)))))
    folding = {node: (fold.pe, fold.simd) for node, fold in choose_folding(alive(graph), target).items()}
    names = [node.name for node in graph if isinstance(node, Linear | ScaleShift)]
    ways = [True, _PACKED[board], {name: bool(rng.integers(2)) for name in names}]
    dsp = ways[rng.integers(3)] if kind.startswith("dsp") or rng.integers(2) else False
    return {"architecture": "stream", "folding": folding, "dsp": dsp}


def design(number: int) -> tuple[Graph, dict[str, Any], str]:
    """Graph, options of the exporter with its architecture, and board of a design."""
    kind, part = _drawn_as(number), part_of(number)
    board = part.board(number)
    rng = np.random.default_rng([number, part.seed])
    graph = _DRAW[kind](rng, f"held_{number}")
    while not _alive(graph):
        graph = _DRAW[kind](rng, f"held_{number}")
    if part.kinds == KINDS[:4]:
        return graph, {"architecture": kind.split()[0]}, board
    return graph, _stream_options(rng, graph, kind, board), board
