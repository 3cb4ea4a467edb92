from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flow.errors import DataError, GraphError
from flow.ir import ArgMax, Dense, Graph, Input, Node, Relu, Tensor, interpret, trace
from tests.graphs import fmt, mlp_graph, random_codes, random_graph, resnet_graph
from tests.ir.reference import expected, real
from tests.ir.strategies import SINGLE, conv2d, dense

once = settings(derandomize=True, deadline=None, max_examples=60)


def check(graph: Graph, codes: np.ndarray) -> int:
    """Every node means what its formula on real numbers says, given what its inputs mean."""
    values, compared = trace(graph, codes), 0
    meaning = {name: real(value, graph.values[name].format) for name, value in values.items()}
    for node in graph:
        if not isinstance(node, Input):
            for sample in range(len(codes)):
                right = expected(graph, node, *(meaning[name][sample] for name in node.inputs))
                assert right.shape == meaning[node.name][sample].shape
                assert (meaning[node.name][sample] == right).all(), node
                compared += right.size
    return compared


@pytest.mark.parametrize("operator", SINGLE, ids=lambda cls: cls.op)
def test_each_operator_against_its_formula_on_fractions(operator: type[Node]):
    @once
    @given(SINGLE[operator], st.integers(0, 999))
    def run(graph: Graph, seed: int) -> None:
        assert check(graph, random_codes(graph, 3, seed)) >= 3

    run()


@pytest.mark.parametrize("strategy", [dense(26), conv2d(26)], ids=["dense", "conv2d"])
def test_sums_beyond_what_doubles_hold(strategy: st.SearchStrategy[Graph]):
    @once
    @given(strategy, st.integers(0, 999))
    def run(graph: Graph, seed: int) -> None:
        assert check(graph, random_codes(graph, 2, seed)) >= 2

    run()


@pytest.mark.parametrize("seed", range(25))
def test_random_graphs_node_by_node(seed: int):
    graph = random_graph(seed, spatial=seed % 3 != 0)
    assert check(graph, random_codes(graph, 2, seed)) > 0


@pytest.mark.parametrize("seed", range(150))
def test_every_code_lies_in_its_range(seed: int):
    graph = random_graph(seed, spatial=seed % 4 != 0)
    values = trace(graph, random_codes(graph, 64, seed))
    assert set(values) == set(graph.values)
    for name, codes in values.items():
        value = graph.values[name]
        assert codes.shape == (64, *value.shape)
        assert codes.dtype == np.int64
        assert value.low <= codes.min() <= codes.max() <= value.high


def test_outputs_come_in_the_order_of_the_graph():
    graph = resnet_graph()
    codes = random_codes(graph, 5)
    values = trace(graph, codes)
    logits, index = interpret(graph, codes)
    assert np.array_equal(logits, values["fc"])
    assert np.array_equal(index, values["class"])
    assert (logits.size, index.size) == (50, 5)


@pytest.mark.parametrize("count", [0, 1, 511, 512, 513, 1200])
def test_batches_of_any_size_give_the_same_codes(count: int):
    """The interpreter cuts a long batch into parts."""
    graph = resnet_graph()
    codes = random_codes(graph, 1200)[:count]
    values = trace(graph, codes)
    assert all(value.shape == (count, *graph.values[name].shape) for name, value in values.items())
    alone = [trace(graph, codes[i : i + 1])["fc"] for i in range(0, count, 100)]
    assert all(np.array_equal(values["fc"][100 * i], one[0]) for i, one in enumerate(alone))
    assert len(alone) == -(-count // 100)


def test_ties_go_to_the_first_index():
    nodes = (Input(name="x", shape=(3,), format=fmt("s3.0")), ArgMax(name="y", inputs=("x",)))
    codes = np.array([[1, 3, 3], [-4, -4, -4], [0, -1, 0]])
    assert trace(Graph("one", nodes, ("y",)), codes)["y"].tolist() == [[1], [0], [0]]


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.uint64])
def test_codes_of_any_integer_type_are_taken(dtype: type):
    graph = mlp_graph(sizes=(4, 3))
    codes = random_codes(graph, 6)
    assert np.array_equal(trace(graph, codes.astype(dtype))["fc1"], trace(graph, codes)["fc1"])


def small() -> Graph:
    return Graph("one", (Input(name="x", shape=(2,), format=fmt("u4.0")), Relu(name="y", inputs=("x",))), ("y",))


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (np.zeros((3, 4), dtype=np.int64), "Input 'x' takes codes of shape (N, *(2,)), not (3, 4)."),
        (np.zeros((1, 2)), "Input 'x' takes integer codes, not float64; encode() the values first."),
        (np.array([[0, 16]]), "Input 'x' takes codes of u4.0, not [0, 16]."),
        (np.array([[-1, 3]]), "Input 'x' takes codes of u4.0, not [-1, 3]."),
    ],
)
def test_codes_that_are_not_the_inputs_are_refused(codes: np.ndarray, message: str):
    with pytest.raises(DataError) as caught:
        trace(small(), codes)
    assert str(caught.value) == message


def test_values_beyond_62_bits_are_refused():
    node = Dense(name="y", inputs=("x",), weight=Tensor(np.full((1, 2), 1 << 58), fmt("u60.0")))
    graph = replace(small(), nodes=(small().nodes[0], node))
    with pytest.raises(GraphError) as caught:
        trace(graph, np.zeros((1, 2), dtype=np.int64))
    assert str(caught.value) == "Value 'y' needs 63 bits; the interpreter holds 62 at most."
