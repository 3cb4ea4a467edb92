from __future__ import annotations

from pathlib import Path

import pytest

from flow.ir import Graph, to_text
from tests.graphs import mlp_graph, resnet_graph
from tests.ir.every_operator import every_operator

DATA = Path(__file__).parent / "data"


@pytest.mark.parametrize("graph", [mlp_graph(), resnet_graph(), every_operator()], ids=lambda graph: graph.name)
def test_the_text_form_is_the_golden_file(graph: Graph):
    golden = DATA / f"{graph.name.replace(' ', '_')}.txt"
    assert to_text(graph) == golden.read_text(encoding="utf-8")


def test_every_node_has_its_line():
    for graph in (mlp_graph(), resnet_graph(), every_operator()):
        lines = to_text(graph).splitlines()
        assert len(lines) == len(graph) + 2
        for line, node in zip(lines[1:-1], graph, strict=True):
            assert line.startswith(f"  {node.name} = {node.op}")
            assert line.endswith(f" -> {graph.values[node.name]}")
