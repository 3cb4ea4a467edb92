"""The exact comparison: no tolerance, and the number of values compared is part of the answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import SimulationError
from flow.ir import Graph

__all__ = ["Comparison", "Mismatch", "compare"]


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The first code that differs: `node` is the first such node in graph order, `index` starts with the sample."""

    node: str
    index: tuple[int, ...]
    expected: int
    actual: int

    def to_json(self) -> dict[str, Any]:
        """The entry of `simulate.json`."""
        return {"node": self.node, "index": list(self.index), "expected": self.expected, "actual": self.actual}

    def __str__(self) -> str:
        place = ", ".join(map(str, self.index))
        return f"{self.node}[{place}]: expected {self.expected}, got {self.actual}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """How many codes were compared, how many differ, and where the first one stands.

    Attributes:
        values: codes compared.
        mismatches: how many of them differ.
        first: the first one that does.
        operators: the codes compared, by the operator of their node.
    """

    values: int
    mismatches: int
    first: Mismatch | None
    operators: Mapping[str, int] = field(default_factory=dict, compare=False)


def compare(
    graph: Graph, expected: Mapping[str, NDArray[np.int64]], actual: Mapping[str, NDArray[np.int64]]
) -> Comparison:
    """Compare every node that a rung shows with the arbiter's trace, code by code.

    Args:
        graph: gives the order of the nodes.
        expected: int64[N, *shape] by node name, from `flow.ir.trace`.
        actual: the same from a rung; outputs at least, and no more samples than `expected`.

    Raises:
        SimulationError: an output is missing, or an array has another shape than the arbiter's.
    """
    absent = [name for name in graph.outputs if name not in actual]
    if absent:
        raise SimulationError(f"The rung shows no codes for output {absent[0]!r} of design {graph.name!r}.")
    mismatches, first = 0, None
    operators: Counter[str] = Counter()
    for node in graph:
        if node.name in actual:
            got = actual[node.name]
            wanted = _matching(node.name, expected[node.name], got)
            wrong = wanted != got
            operators[node.op] += wrong.size
            mismatches += int(wrong.sum())
            if first is None and wrong.any():
                first = _first(node.name, wrong, wanted, got)
    return Comparison(operators.total(), mismatches, first, dict(operators))


def _matching(name: str, wanted: NDArray[np.int64], got: NDArray[np.int64]) -> NDArray[np.int64]:
    if got.shape[1:] != wanted.shape[1:] or not 0 < len(got) <= len(wanted):
        raise SimulationError(f"The rung shows {got.shape} codes of {name!r} where {wanted.shape} are expected.")
    return wanted[: len(got)]


def _first(name: str, wrong: NDArray[Any], wanted: NDArray[np.int64], got: NDArray[np.int64]) -> Mismatch:
    index = tuple(int(i) for i in np.argwhere(wrong)[0])
    return Mismatch(name, index, int(wanted[index]), int(got[index]))
