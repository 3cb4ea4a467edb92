"""Constant matrices as shifts and additions: every graph multiplies by its matrix, and claims the ranges it has."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flow.exporters.verilog.spatial.adder_graph import AdderGraph, Ref, Sum, csd, solve

once = settings(derandomize=True, deadline=None, max_examples=60)


@st.composite
def matrices(draw: st.DrawFn) -> np.ndarray:
    shape = draw(st.tuples(st.integers(1, 6), st.integers(1, 6)))
    bits = draw(st.integers(1, 9))
    cells = st.integers(-(1 << bits), (1 << bits) - 1)
    return np.array(draw(st.lists(cells, min_size=shape[0] * shape[1], max_size=shape[0] * shape[1]))).reshape(shape)


def evaluated(graph: AdderGraph, x: list[int]) -> tuple[list[int], list[int | None]]:
    """Every value of the graph for one input, by the meaning of its sums."""
    values = list(x)
    for s in graph.sums:
        b = values[s.b] << s.shift_b
        values.append((values[s.a] << s.shift_a) + (-b if s.minus else b))
    outputs = []
    for ref in graph.outputs:
        value = 0 if ref is None else values[ref.index] << ref.shift
        outputs.append(-value if ref is not None and ref.minus else value)
    return values, outputs


@once
@given(matrices(), st.integers(0, 999))
def test_graphs_multiply_by_their_matrix_within_their_ranges(matrix: np.ndarray, seed: int):
    rng = np.random.default_rng(seed)
    ends = [tuple(sorted(pair)) for pair in rng.integers(-128, 128, (len(matrix), 2)).tolist()]
    for graph in (csd(matrix), solve(matrix, ends)):
        assert graph.matrix() == matrix.T.tolist()
        ranges = graph.ranges(ends)
        for _ in range(5):
            x = [int(rng.integers(low, high, endpoint=True)) for low, high in ends]
            values, outputs = evaluated(graph, x)
            assert outputs == (np.array(x) @ matrix).tolist()
            assert all(low <= value <= high for value, (low, high) in zip(values, ranges, strict=True))


def test_sharing_needs_fewer_bits_than_plain_digits():
    matrix = np.random.default_rng(0).integers(-32, 32, (16, 16))
    ends = [(-128, 127)] * 16
    shared, plain = solve(matrix, ends), csd(matrix)
    assert len(shared.sums) < 0.85 * len(plain.sums)
    assert shared.cost(ends) < plain.cost(ends)


def test_plain_digits_have_no_neighbours():
    assert csd(np.array([[7]])).sums == (Sum(0, 0, 3, 0, minus=True),)
    assert [len(csd(np.array([[n]])).sums) for n in (0, 1, 2, 3, 5, 7, 11, 45, -6)] == [0, 0, 0, 1, 1, 1, 2, 3, 1]
    assert csd(np.array([[-4]])).outputs == (Ref(0, 2, True),)
    assert csd(np.array([[0]])).outputs == (None,)


def test_a_solver_that_is_wrong_is_not_believed(monkeypatch: pytest.MonkeyPatch):
    from flow.exporters.verilog.spatial import adder_graph

    wrong = AdderGraph(2, (), (Ref(0), Ref(1)))
    monkeypatch.setattr(adder_graph, "_translated", lambda stages, inputs: wrong)
    matrix = np.array([[3, 5], [7, 9]])
    assert solve(matrix, [(0, 1)] * 2) == csd(matrix)


def test_constants_that_float32_would_round_stay_plain_digits():
    matrix = np.array([[-(1 << 24) - 1, 5], [3, (1 << 30) + 7]])
    graph = solve(matrix, [(-128, 127)] * 2)
    assert graph == csd(matrix)
    assert graph.matrix() == matrix.T.tolist()
