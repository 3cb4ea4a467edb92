"""The order of work on a graph: each node in the narrowest number type of numpy that its ranges prove exact."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from flow.ir.formulas import FORMULAS, Carrier, Formula
from flow.ir.graph import Graph
from flow.ir.ops import Conv2d, Input, Node

__all__ = ["CARRIERS", "Step", "batch_size", "carrier", "steps"]

# Number types and the bits that each holds exactly, the sign apart. An integer that a float holds is as good as any:
# sums, products and comparisons below 2**24 or 2**53 lose nothing in whatever order, and floats have the fast product.
CARRIERS: Mapping[Carrier, int] = {np.dtype(np.float32): 24, np.dtype(np.float64): 53, np.dtype(np.int64): 63}

_WORKING_BYTES = 1 << 19  # what one step should touch, so that it stays in the cache of one core


@dataclass(frozen=True, slots=True)
class Step:
    """One node, ready to run.

    Attributes:
        name: of the node and its value.
        inputs: names of the values that the formula takes.
        carrier: number type of everything inside.
        formula: arrays of that type to an array of that type.
        last: names of the values that nobody reads afterwards.
    """

    name: str
    inputs: tuple[str, ...]
    carrier: Carrier
    formula: Formula
    last: tuple[str, ...]


def carrier(graph: Graph, node: Node) -> Carrier:
    """The narrowest type that holds a node's inputs, its result and everything on the way."""
    types = graph.operands(node)
    values = (*types, graph.values[node.name])
    bound = max(node.partial_bound(*types), *(value.magnitude for value in values))
    return next((dtype for dtype, bits in CARRIERS.items() if bound.bit_length() <= bits), np.dtype(np.int64))


def steps(graph: Graph, kept: Collection[str]) -> list[Step]:
    """The nodes in order; values named in `kept` stay to the end."""
    made, read = [], set(kept)
    for node in reversed(graph.nodes):
        if isinstance(node, Input):
            continue
        last = tuple(dict.fromkeys(name for name in node.inputs if name not in read))
        read.update(node.inputs)
        dtype = carrier(graph, node)
        formula = FORMULAS[type(node)](node, graph.operands(node), dtype)
        made.append(Step(node.name, node.inputs, dtype, formula, last))
    return made[::-1]


def _columns(graph: Graph, node: Node) -> int:
    """Codes per sample in the windows of a convolution, written out."""
    if not isinstance(node, Conv2d):
        return 0
    return math.prod(node.weight.shape[1:]) * node.groups * math.prod(graph.values[node.name].shape[1:])


def batch_size(graph: Graph, steps: Collection[Step]) -> int:
    """How many samples to take at once."""
    widest = 1
    for step in steps:
        codes = sum(graph.values[name].size for name in (*step.inputs, step.name)) + _columns(graph, graph[step.name])
        widest = max(widest, codes * step.carrier.itemsize)
    return max(_WORKING_BYTES // widest, 1)
