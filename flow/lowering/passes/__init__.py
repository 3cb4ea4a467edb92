"""Passes from graph to graph: each keeps the codes of every output, and all together end at a fixed point."""

from flow.ir import Graph
from flow.lowering.passes.fold_batchnorm import fold_batchnorm
from flow.lowering.passes.fold_constants import fold_constants
from flow.lowering.passes.fuse_requantizers import fuse_requantizers
from flow.lowering.passes.narrow_widths import narrow_widths
from flow.lowering.passes.rewrite import alive as remove_dead

__all__ = [
    "PASSES",
    "fold_batchnorm",
    "fold_constants",
    "fuse_requantizers",
    "narrow_widths",
    "remove_dead",
    "simplify",
]

# Offsets that belong to a rounding mode are seen before they vanish in a bias.
PASSES = (
    remove_dead, fuse_requantizers, fold_batchnorm, fold_constants, fuse_requantizers, fold_batchnorm, narrow_widths,
)  # fmt: skip


def simplify(graph: Graph) -> Graph:
    """All passes in turn until none has anything left to do."""
    while True:
        before = graph
        for step in PASSES:
            graph = step(graph)
        if graph == before:
            return graph
