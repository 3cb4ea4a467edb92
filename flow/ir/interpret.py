"""The integer interpreter: the single arbiter that every backend and every pass must equal exactly."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import DataError, GraphError
from flow.ir.carriers import Codes
from flow.ir.graph import Graph
from flow.ir.plan import batch_size, steps

__all__ = ["interpret", "trace"]

_INT64 = 62


def _checked_input(graph: Graph, codes: NDArray[Any]) -> Codes:
    node, value = graph.input, graph.values[graph.input.name]
    if codes.shape[1:] != node.shape:
        raise DataError(f"Input {node.name!r} takes codes of shape (N, *{node.shape}), not {codes.shape}.")
    if not np.issubdtype(codes.dtype, np.integer):
        raise DataError(f"Input {node.name!r} takes integer codes, not {codes.dtype}; encode() the values first.")
    if codes.size and not value.format.holds(int(codes.min()), int(codes.max())):
        raise DataError(f"Input {node.name!r} takes codes of {value.format}, not [{codes.min()}, {codes.max()}].")
    return codes


def _check_width(graph: Graph) -> None:
    for name, value in graph.values.items():
        if value.format.width > _INT64:
            raise GraphError(f"Value {name!r} needs {value.format.width} bits; the interpreter holds {_INT64} at most.")


def _values(graph: Graph, codes: NDArray[Any], kept: Collection[str]) -> dict[str, Codes]:
    """int64[N, *shape] of the values named in `kept`."""
    _check_width(graph)
    checked, work = _checked_input(graph, codes), steps(graph, kept)
    found = {name: np.empty((len(codes), *graph.values[name].shape), np.int64) for name in kept}
    size = batch_size(work)
    for start in range(0, len(codes), size):
        part = slice(start, start + size)
        done = {graph.input.name: checked[part]}
        for step in work:
            inputs = (done[name].astype(step.carrier, copy=step.copied) for name in step.inputs)
            done[step.name] = step.formula(*inputs)
            for name in step.last:
                del done[name]
        for name in kept:
            found[name][part] = done[name]
    return found


def trace(graph: Graph, codes: NDArray[Any]) -> dict[str, Codes]:
    """Every value of the graph for a batch of inputs.

    Args:
        graph: with one input.
        codes: int64[N, *shape] codes of the input's format.

    Returns:
        int64[N, *shape] codes of every node by name.

    Raises:
        DataError: `codes` has another shape, is not integer, or leaves the input's format.
        GraphError: a value is wider than 62 bits.
    """
    return _values(graph, codes, graph.values)


def interpret(graph: Graph, codes: NDArray[Any]) -> tuple[Codes, ...]:
    """The outputs of the graph, in the order of `graph.outputs`; arguments and errors as in `trace`."""
    values = _values(graph, codes, graph.outputs)
    return tuple(values[name] for name in graph.outputs)
