"""The order of work on a graph: each node in the narrowest number type of numpy that its ranges prove exact."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Set
from dataclasses import dataclass

import numpy as np

from flow.ir.carriers import Carrier, Formula
from flow.ir.formulas import FORMULAS, FRESH, IN_PLACE
from flow.ir.graph import Graph
from flow.ir.ops import Conv2d, Input, Node
from flow.ir.value import Value

__all__ = ["CARRIERS", "Step", "batch_size", "carrier", "steps"]

# Number types and the bits that each holds exactly, the sign apart. An integer that a float holds is as good as any:
# sums, products and comparisons below 2**24 or 2**53 lose nothing in whatever order, and floats have the fast product.
CARRIERS: Mapping[Carrier, int] = {np.dtype(np.float32): 24, np.dtype(np.float64): 53, np.dtype(np.int64): 63}

# What one step should touch: small enough for the cache of a core, large enough to hide the cost of numpy's calls.
_WORKING_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Step:
    """One node, ready to run.

    Attributes:
        name: of the node and its value.
        inputs: names of the values that the formula takes.
        carrier: number type of everything inside.
        formula: arrays of that type to an array of that type.
        copied: whether the formula needs copies of its inputs, since it overwrites what others read.
        last: names of the values that nobody reads afterwards.
        sample_bytes: what the formula touches for each sample.
    """

    name: str
    inputs: tuple[str, ...]
    carrier: Carrier
    formula: Formula
    copied: bool
    last: tuple[str, ...]
    sample_bytes: int


def carrier(graph: Graph, node: Node) -> Carrier:
    """The narrowest type that holds a node's inputs, its result and everything on the way."""
    types = graph.operands(node)
    values = (*types, graph.values[node.name])
    bound = max(node.partial_bound(*types), *(value.magnitude for value in values))
    return next((dtype for dtype, bits in CARRIERS.items() if bound.bit_length() <= bits), np.dtype(np.int64))


def steps(graph: Graph, kept: Collection[str]) -> list[Step]:
    """The nodes in order; values named in `kept` stay to the end."""
    reads = Counter([name for node in graph for name in node.inputs] + list(kept))
    own = {node.name for node in graph if type(node) in FRESH and reads[node.name] == 1}
    made, later = [], set(kept)
    for node in reversed(graph.nodes):
        if not isinstance(node, Input):
            made.append(_step(graph, node, own, later))
            later.update(node.inputs)
    return made[::-1]


def _step(graph: Graph, node: Node, own: Set[str], later: Collection[str]) -> Step:
    """One node, given the values that one node alone reads and those that are read later on."""
    types, dtype = graph.operands(node), carrier(graph, node)
    return Step(
        name=node.name,
        inputs=node.inputs,
        carrier=dtype,
        formula=FORMULAS[type(node)](node, types, dtype),
        copied=type(node) in IN_PLACE and not own >= set(node.inputs),
        last=tuple(dict.fromkeys(name for name in node.inputs if name not in later)),
        sample_bytes=_touched(node, types, graph.values[node.name]) * dtype.itemsize,
    )


def _touched(node: Node, types: tuple[Value, ...], result: Value) -> int:
    """Numbers for each sample: inputs, result, and the windows of a convolution, which are written out."""
    shown = sum(value.size for value in types) + result.size
    if not isinstance(node, Conv2d):
        return shown
    return shown + node.groups * math.prod(node.weight.shape[1:]) * math.prod(result.shape[1:])


def batch_size(steps: Collection[Step]) -> int:
    """How many samples to take at once."""
    return max(_WORKING_BYTES // max((step.sample_bytes for step in steps), default=1), 1)
