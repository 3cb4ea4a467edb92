from __future__ import annotations

import numpy as np
import pytest

from flow.exporters.names import identifiers
from flow.exporters.vectors import export_vectors, to_lines
from flow.ir import trace
from tests.graphs import mlp_graph, random_codes, random_graph, resnet_graph


def test_lines_are_samples_in_row_major_order():
    assert to_lines(np.arange(-2, 10).reshape(2, 1, 2, 3)) == "-2 -1 0 1 2 3\n4 5 6 7 8 9\n"
    assert to_lines(np.zeros((0, 3), dtype=np.int64)) == ""


@pytest.mark.parametrize("graph", [mlp_graph(), resnet_graph(), random_graph(3)], ids=lambda graph: graph.name)
def test_vectors_read_back_as_what_the_arbiter_says(graph):
    codes = random_codes(graph, 7)
    files, names, expected = export_vectors(graph, codes), identifiers(graph), trace(graph, codes)
    assert set(files) == {"input.dat", *(f"{names[name]}.dat" for name in graph.outputs)}
    compared = 0
    for stem, want in {"input": codes, **{names[name]: expected[name] for name in graph.outputs}}.items():
        read = np.array([line.split() for line in files[f"{stem}.dat"].splitlines()], dtype=np.int64)
        assert np.array_equal(read, want.reshape(7, -1))
        compared += read.size
    assert compared == 7 * (graph.values["input"].size + sum(graph.values[name].size for name in graph.outputs))
    assert files == export_vectors(graph, codes)
