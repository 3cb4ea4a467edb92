"""Graph to QONNX and back: the same bits at every output, and the same text once both are simplified."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flow.exporters.onnx import export_qonnx
from flow.ir import (
    Add,
    ArgMax,
    AvgPool2d,
    Concat,
    Conv2d,
    Dense,
    Flatten,
    Graph,
    Lookup,
    MatMul,
    MaxPool2d,
    Node,
    Pad,
    ReduceMax,
    ReduceSum,
    Relu,
    Reshape,
    ScaleShift,
    Slice,
    Transpose,
    Upsample,
    interpret,
    to_text,
)
from flow.lowering import encode_input, lower
from flow.lowering.from_onnx import load_onnx
from flow.lowering.passes import simplify
from flow.training import quantize
from tests.exporters.test_qonnx import EXPRESSIBLE, fits, saturating
from tests.graphs import mlp_graph, random_codes, random_graph, resnet_graph
from tests.ir.strategies import SINGLE, requantize
from tests.training.models import example, randomized
from tests.training.test_joins import Branches

OPERATORS = (
    Dense, Conv2d, ScaleShift, Relu, Add, MaxPool2d, AvgPool2d, Flatten, ArgMax, ReduceMax, ReduceSum, Reshape,
    Concat, Slice, Transpose, Pad, Upsample, MatMul, Lookup,
)  # fmt: skip
once = settings(derandomize=True, deadline=None, max_examples=30)


def back(graph: Graph) -> Graph:
    (content,) = export_qonnx(graph).values()
    return load_onnx(content)


def values(graph: Graph, codes: np.ndarray) -> list[np.ndarray]:
    """The real numbers at the outputs, exact in doubles: a file does not say at which binary point they are kept."""
    fracs = (graph.values[name].format.frac for name in graph.outputs)
    return [
        np.ldexp(found.astype(np.float64), -frac) for found, frac in zip(interpret(graph, codes), fracs, strict=True)
    ]


def check(graph: Graph, codes: np.ndarray) -> tuple[int, bool]:
    """How many output codes agree, which must be all, and whether the text does."""
    loaded, compared = back(graph), 0
    for wanted, found in zip(values(graph, codes), values(loaded, codes), strict=True):
        assert np.array_equal(wanted, found), f"{to_text(graph)}\n{to_text(loaded)}"
        compared += wanted.size
    return compared, to_text(loaded) == to_text(simplify(graph))


@pytest.mark.parametrize("graph", [mlp_graph(), resnet_graph()], ids=lambda graph: graph.name)
def test_the_two_networks_of_the_demo_come_back_as_they_were(graph: Graph):
    assert check(graph, random_codes(graph, 100)) == (100 * sum(graph.values[o].size for o in graph.outputs), True)


@pytest.mark.parametrize("batch", range(6))
def test_random_graphs_come_back(batch: int):
    results = [
        check(graph, random_codes(graph, 20, seed))
        for seed in range(10 * batch, 10 * batch + 10)
        for graph in [saturating(random_graph(seed, spatial=seed % 4 != 0))]
    ]
    assert len(results) == 10
    assert all(count >= 20 and text for count, text in results)


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda cls: cls.op)
def test_each_operator_alone_comes_back(operator: type[Node]):
    compared = []

    @once
    @given(SINGLE[operator], st.integers(0, 999))
    def run(graph: Graph, seed: int) -> None:
        compared.append(check(graph, random_codes(graph, 5, seed))[0] if fits(graph) else 0)

    run()
    assert sum(count > 0 for count in compared) >= 12


def test_a_net_with_branches_and_two_outputs_comes_back():
    qmodel = quantize(randomized(Branches(), 0), example((2, 4, 4)))
    graph = lower(qmodel)
    assert check(graph, encode_input(qmodel, example((2, 4, 4), 1, count=30))) == (30 * (3 + 6), True)


def test_casts_alone_come_back():
    """The text too, but for signed words of one bit, which a Quant gives two."""
    texts = []

    @settings(once, max_examples=150)
    @given(requantize(20, EXPRESSIBLE), st.integers(0, 999))
    def run(graph: Graph, seed: int) -> None:
        same = check(graph, random_codes(graph, 9, seed))[1]
        if "s1." not in to_text(graph):
            texts.append(same)

    run()
    assert sum(texts) == len(texts) > 100


def test_loading_twice_is_a_fixed_point():
    for seed in range(12):
        first = back(saturating(random_graph(seed, spatial=seed % 4 != 0)))
        if fits(saturating(first)):
            assert to_text(back(saturating(first))) == to_text(first)
