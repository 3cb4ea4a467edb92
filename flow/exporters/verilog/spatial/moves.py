"""Operators that only move codes: wires between two buses, without a register."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flow.formats import FixedPoint
from flow.ir import Concat, Flatten, Graph, Node, Pad, Reshape, Slice, Transpose, Upsample, Value
from flow.ir.carriers import INTEGERS
from flow.ir.formulas import FORMULAS

__all__ = ["MOVES", "Move", "make_move"]

MOVES = (Flatten, Reshape, Concat, Slice, Transpose, Pad, Upsample)
_ANY = FixedPoint(62, 0)


@dataclass(frozen=True, slots=True)
class Move:
    """Where each code of a value comes from.

    Attributes:
        name: of the value.
        reads: the values that it joins, at least one.
        sources: for each code which of `reads` it is from and its place there, None for a zero.
        lifts: for each of `reads` how far its codes move left to the common binary point.
        is_alias: whether it is the one value that it reads, bit for bit.
    """

    name: str
    reads: tuple[str, ...]
    sources: tuple[tuple[int, int] | None, ...]
    lifts: tuple[int, ...]
    is_alias: bool


def make_move(graph: Graph, node: Node) -> Move:
    """What a node moves: the places of its inputs, counted from 1 on, sent through the arbiter's own formula."""
    operands, numbered, owners = graph.operands(node), [], []
    types, count = [], 1
    for place, value in enumerate(operands):
        numbered.append(np.arange(count, count + value.size).reshape(1, *value.shape))
        owners += [(place, i) for i in range(value.size)]
        types.append(Value(value.shape, _ANY, 0, _ANY.high))
        count += value.size
    moved = FORMULAS[type(node)](node, tuple(types), INTEGERS)(*numbered).ravel().tolist()
    result = graph.values[node.name].format
    lifts = tuple(result.frac - value.format.frac for value in operands)
    same = moved == list(range(1, count)) and operands[0].format.width == result.width and len(operands) == 1
    return Move(node.name, node.inputs, tuple(owners[i - 1] if i else None for i in moved), lifts, same)
