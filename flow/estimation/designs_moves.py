"""Small designs whose modules that move, join and cast codes by place are measured: one operator each."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from flow.exporters.verilog import Plan, make_plan
from flow.formats import FixedPoint
from flow.ir import Add, Concat, Graph, Input, Node, Pad, Relu, RequantizeEach, Slice, Tensor, Transpose, Upsample

__all__ = ["casts_by_place", "joins", "moves"]


def _graph(name: str, shape: tuple[int, ...], form: str, *nodes: Node) -> Graph:
    return Graph(name, (Input(name="x", shape=shape, format=FixedPoint.parse(form)), *nodes), (nodes[-1].name,))


def _turned(number: int, shape: tuple[int, ...], form: str, order: tuple[int, ...]) -> Graph:
    """The sum of a value and its transposition, for which the codes of one must change places."""
    turned = Transpose(name="y", inputs=("x",), order=order)
    return _graph(f"turn{number}", shape, form, turned, Add(name="z", inputs=("x", "y")))


def moves() -> Iterator[Plan]:
    """Transpositions, slices, zeros around and repetitions of values from 30 to 1,600 codes; one memory in each."""
    for number, (shape, form, order) in enumerate((
        ((6, 6), "u6.0", (1, 0)), ((8, 8), "s8.0", (1, 0)), ((16, 16), "u5.0", (1, 0)), ((4, 4, 4), "s10.0", (2, 0, 1)),
        ((40, 40), "u8.0", (1, 0)), ((3, 5, 5), "s12.0", (0, 2, 1)), ((11, 11), "s4.0", (1, 0)),
    )):  # fmt: skip
        yield make_plan(_turned(number, shape, form, order))
    for number, (shape, form, node) in enumerate((
        ((2, 6, 6), "u6.0", Pad(name="y", inputs=("x",), before=(0, 1, 1), after=(0, 1, 1), interior=(0, 0, 0))),
        ((1, 9, 9), "s7.0", Pad(name="y", inputs=("x",), before=(0, 2, 2), after=(0, 2, 2), interior=(0, 0, 0))),
        ((2, 5, 5), "u4.0", Upsample(name="y", inputs=("x",), factors=(1, 2, 2))),
        ((1, 12, 12), "u8.0", Upsample(name="y", inputs=("x",), factors=(1, 2, 2))),
        ((4, 8, 8), "u6.0", Slice(name="y", inputs=("x",), starts=(0, 0, 0), stops=(4, 8, 8), steps=(1, 2, 2))),
        ((30,), "s6.0", Slice(name="y", inputs=("x",), starts=(5,), stops=(25,), steps=(1,))),
    )):  # fmt: skip
        yield make_plan(_graph(f"move{number}", shape, form, node))


def joins() -> Iterator[Plan]:
    """Two and three parts of one stream and its rectified copy, node `y`."""
    for number, (shape, form, axis, count) in enumerate((
        ((6,), "s4.0", 0, 2), ((8,), "s8.0", 0, 2), ((5, 4), "s6.0", 1, 2), ((3, 3, 3), "s5.0", 0, 2),
        ((10,), "s6.0", 0, 3), ((4, 6), "s8.0", 1, 3), ((20,), "s12.0", 0, 2), ((7, 2), "s9.0", 1, 4),
    )):  # fmt: skip
        parts = [Relu(name=f"r{i}", inputs=("x" if i < 2 else f"r{i - 1}",)) for i in range(1, count)]
        joined = Concat(name="y", inputs=("x", *(part.name for part in parts)), axis=axis)
        yield make_plan(_graph(f"join{number}", shape, form, *parts, joined))


def casts_by_place() -> Iterator[Plan]:
    """Two to six formats in one value, node `y`."""
    for number, (size, width, formats, longest, signed) in enumerate((
        (6, 10, 2, 4, False), (8, 14, 3, 6, False), (12, 16, 4, 6, True), (20, 12, 5, 5, False), (16, 18, 6, 8, True),
        (10, 20, 3, 8, False), (32, 11, 4, 4, False), (24, 15, 2, 7, True),
    )):  # fmt: skip
        rng = np.random.default_rng(number)
        pairs = rng.integers((1, 0), (longest + 1, longest), (formats, 2))[rng.integers(formats, size=size)]
        widths, fracs = (Tensor(codes, FixedPoint(6, 0, True)) for codes in pairs.T)
        node = RequantizeEach(name="y", inputs=("x",), fracs=fracs, widths=widths, signed=signed)
        yield make_plan(_graph(f"each{number}", (size,), f"s{width}.6", node))
