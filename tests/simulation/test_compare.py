"""The comparison is exact, names the first difference in graph order, and refuses to compare nothing."""

from __future__ import annotations

import re

import numpy as np
import pytest

from flow.errors import SimulationError
from flow.ir import trace
from flow.simulation.compare import Comparison, Mismatch, compare
from tests.graphs import mlp_graph, random_codes

GRAPH = mlp_graph(sizes=(5, 4, 3))
EXPECTED = trace(GRAPH, random_codes(GRAPH, 7))


def shown() -> dict[str, np.ndarray]:
    return {name: codes.copy() for name, codes in EXPECTED.items()}


def test_equal_codes_compare_equal_and_are_counted() -> None:
    values = 7 * (5 + 4 + 4 + 4 + 3)
    found = compare(GRAPH, EXPECTED, shown())
    assert found == Comparison(values, 0, None)
    assert found.operators == {"input": 7 * 5, "dense": 7 * (4 + 3), "relu": 7 * 4, "requantize": 7 * 4}


def test_a_rung_may_show_outputs_only_and_fewer_samples() -> None:
    assert compare(GRAPH, EXPECTED, {"fc2": EXPECTED["fc2"][:2]}) == Comparison(6, 0, None)


def test_the_first_mismatch_is_the_first_node_in_graph_order() -> None:
    actual = shown()
    actual["fc2"][0, 0] += 1
    actual["relu1"][3, 2] -= 1
    actual["relu1"][5, 1] -= 1
    found = compare(GRAPH, EXPECTED, actual)
    wanted = int(EXPECTED["relu1"][3, 2])
    assert (found.mismatches, found.first) == (3, Mismatch("relu1", (3, 2), wanted, wanted - 1))
    assert str(found.first) == f"relu1[3, 2]: expected {wanted}, got {wanted - 1}"


@pytest.mark.parametrize(
    ("actual", "message"),
    [
        ({}, "The rung shows no codes for output 'fc2' of design 'mlp'."),
        ({"fc2": np.zeros((7, 4))}, "The rung shows (7, 4) codes of 'fc2' where (7, 3) are expected."),
        ({"fc2": np.zeros((0, 3))}, "The rung shows (0, 3) codes of 'fc2' where (7, 3) are expected."),
        ({"fc2": np.zeros((8, 3))}, "The rung shows (8, 3) codes of 'fc2' where (7, 3) are expected."),
    ],
)
def test_nothing_is_compared_with_nothing(actual: dict, message: str) -> None:
    with pytest.raises(SimulationError, match=f"^{re.escape(message)}$"):
        compare(GRAPH, EXPECTED, actual)
