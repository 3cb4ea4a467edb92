"""The designs of the error table: MLPs of every size, and one of each kind of cell that MLPs have not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from flow.formats import FixedPoint, Minifloat, Rounding
from flow.ir import (
    Add,
    ArgMax,
    Concat,
    Dense,
    Graph,
    Input,
    LutDense,
    Node,
    Relu,
    Requantize,
    RequantizeEach,
    RequantizeMinifloat,
    Softmax,
    Tensor,
    Transpose,
)
from tests.graphs import fmt, mlp_graph, random_tensor

__all__ = ["DESIGNS", "OPTIONS"]


def _input(shape: tuple[int, ...], text: str) -> Node:
    return Input(name="x", shape=shape, format=fmt(text))


def classifier(seed: int = 1) -> Graph:
    """Four-bit codes, signed and unsigned, one cast that truncates, an index at the end."""
    rng = np.random.default_rng(seed)
    nodes = (
        _input((24,), "s4.3"),
        Dense(
            name="a", inputs=("x",), weight=random_tensor(rng, (12, 24), "s4.3"), bias=random_tensor(rng, (12,), "s4.3")
        ),
        Requantize(name="a.out", inputs=("a",), format=fmt("s4.1"), rounding=Rounding.TRN),
        Dense(name="b", inputs=("a.out",), weight=random_tensor(rng, (12, 12), "s4.3")),
        Relu(name="b.relu", inputs=("b",)),
        Requantize(name="b.out", inputs=("b.relu",), format=fmt("u4.1")),
        Dense(name="c", inputs=("b.out",), weight=random_tensor(rng, (6, 12), "s4.3")),
        ArgMax(name="class", inputs=("c",)),
    )
    return Graph("classifier", nodes, ("class",))


def forked(seed: int = 2) -> Graph:
    """One stream with two readers and two outputs."""
    rng = np.random.default_rng(seed)
    nodes = (
        _input((16,), "u5.4"),
        Dense(name="a", inputs=("x",), weight=random_tensor(rng, (8, 16), "s5.4")),
        Relu(name="a.relu", inputs=("a",)),
        Requantize(name="a.out", inputs=("a.relu",), format=fmt("u5.2")),
        Dense(name="b", inputs=("a.out",), weight=random_tensor(rng, (4, 8), "s5.4")),
        Dense(name="c", inputs=("a.out",), weight=random_tensor(rng, (2, 8), "s5.4")),
    )
    return Graph("forked", nodes, ("b", "c"))


def shares(seed: int = 3) -> Graph:
    """A layer and the softmax of its results."""
    rng = np.random.default_rng(seed)
    nodes = (
        _input((12,), "u6.5"),
        Dense(name="a", inputs=("x",), weight=random_tensor(rng, (9, 12), "s6.5")),
        Requantize(name="a.out", inputs=("a",), format=fmt("s8.4")),
        Softmax(name="shares", inputs=("a.out",), axis=0, mantissa=9),
    )
    return Graph("shares", nodes, ("shares",))


def moved() -> Graph:
    """A sum with a transposition, joined with a part of the input."""
    nodes = (
        _input((7, 7), "s6.3"),
        Transpose(name="turned", inputs=("x",), order=(1, 0)),
        Add(name="add", inputs=("x", "turned")),
        Relu(name="relu", inputs=("x",)),
        Concat(name="joined", inputs=("add", "relu"), axis=0),
    )
    return Graph("moved", nodes, ("joined",))


def minifloats(seed: int = 4) -> Graph:
    """A layer between casts to e3m2 and e2m2."""
    rng = np.random.default_rng(seed)
    nodes = (
        _input((16,), "s10.6"),
        RequantizeMinifloat(name="x.out", inputs=("x",), minifloat=Minifloat.parse("e2m2")),
        Dense(name="a", inputs=("x.out",), weight=random_tensor(rng, (8, 16), "s4.3")),
        RequantizeMinifloat(name="a.out", inputs=("a",), minifloat=Minifloat.parse("e3m2")),
    )
    return Graph("minifloats", nodes, ("a.out",))


def casts_by_place(seed: int = 5) -> Graph:
    """Four formats in the values between two layers."""
    rng = np.random.default_rng(seed)
    widths, fracs = (Tensor(rng.choice(codes, 12), FixedPoint(5, 0, True)) for codes in ([3, 5], [1, 3]))
    nodes = (
        _input((12,), "u5.4"),
        Dense(name="a", inputs=("x",), weight=random_tensor(rng, (12, 12), "s5.4")),
        Relu(name="a.relu", inputs=("a",)),
        RequantizeEach(name="a.out", inputs=("a.relu",), fracs=fracs, widths=widths, signed=False),
        Dense(name="b", inputs=("a.out",), weight=random_tensor(rng, (5, 12), "s5.4")),
    )
    return Graph("casts_by_place", nodes, ("b",))


def truth_tables(seed: int = 6) -> Graph:
    """Sums of tables of five and of four bits."""
    rng = np.random.default_rng(seed)
    none = [Tensor(np.zeros(count, dtype=np.int64), FixedPoint(1, 0, False)) for count in (10, 8)]
    nodes = (
        _input((10,), "u5.0"),
        LutDense(name="a", inputs=("x",), tables=random_tensor(rng, (8, 10, 32), "s4.3"), shifts=none[0]),
        Requantize(name="a.out", inputs=("a",), format=fmt("u4.1")),
        LutDense(name="b", inputs=("a.out",), tables=random_tensor(rng, (4, 8, 16), "s5.3"), shifts=none[1]),
    )
    return Graph("truth_tables", nodes, ("b",))


DESIGNS: dict[str, Callable[[], Graph]] = {
    "mlp_16_8_4": lambda: mlp_graph(sizes=(16, 8, 4)),
    "mlp_32_16_10": lambda: mlp_graph(sizes=(32, 16, 10)),
    "classifier": classifier,
    "forked": forked,
    "mlp_64_32_32_10": mlp_graph,
    "shares": shares,
    "moved": moved,
    "minifloats": minifloats,
    "casts_by_place": casts_by_place,
    "truth_tables": truth_tables,
}
OPTIONS: dict[str, dict[str, Any]] = {"truth_tables": {"architecture": "spatial"}}  # of the others none
