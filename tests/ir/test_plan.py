"""Floats carry codes only where they are exact: every formula in every carrier against the same formula on int64."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flow.formats import FixedPoint, Overflow
from flow.ir import (
    Add,
    AvgPool2d,
    Dense,
    Graph,
    Input,
    MaxPool2d,
    Node,
    ReduceMax,
    ReduceSum,
    Relu,
    Requantize,
    Reshape,
    Tensor,
    interpret,
    trace,
)
from flow.ir.formulas import FORMULAS, FRESH, IN_PLACE
from flow.ir.plan import CARRIERS, carrier
from tests.graphs import fmt, random_codes, random_graph
from tests.ir.strategies import (
    SINGLE,
    conv2d,
    dense,
    inputs,
    pooling,
    reduction,
    requantize,
    requantize_each,
    softmax,
    table,
)

INT64 = np.dtype(np.int64)
once = settings(derandomize=True, deadline=None, max_examples=60)


def in_integers(graph: Graph, codes: np.ndarray) -> dict[str, np.ndarray]:
    """Every value of a graph, all of it on int64."""
    done = {graph.input.name: codes}
    for node in graph:
        if not isinstance(node, Input):
            formula = FORMULAS[type(node)](node, graph.operands(node), INT64)
            done[node.name] = formula(*(done[name].copy() for name in node.inputs))
    return done


def check(graph: Graph, codes: np.ndarray, seen: Counter[np.dtype]) -> None:
    """Each node, given the right inputs, in its own carrier and in every wider one."""
    values = in_integers(graph, codes)
    for node in graph:
        if isinstance(node, Input):
            continue
        widths = list(CARRIERS)
        for dtype in widths[widths.index(carrier(graph, node)) :]:
            operands = [values[name].astype(dtype) for name in node.inputs]
            before = [operand.copy() for operand in operands]
            found = FORMULAS[type(node)](node, graph.operands(node), dtype)(*operands)
            assert found.dtype == dtype
            assert np.array_equal(found.astype(np.int64), values[node.name]), (node, dtype)
            assert type(node) in IN_PLACE or all(map(np.array_equal, operands, before)), node
            shared = any(np.shares_memory(found, operand) for operand in operands)
            assert not shared or type(node) in IN_PLACE or type(node) not in FRESH, node
            seen[dtype] += found.size
    given = codes.copy()
    outputs = interpret(graph, codes)
    assert np.array_equal(codes, given)
    assert all(np.array_equal(found, values[name]) for found, name in zip(outputs, graph.outputs, strict=True))
    traced = trace(graph, codes)
    assert list(traced) == list(values)
    assert all(np.array_equal(traced[name], values[name]) for name in values)


# Words so long that a strategy reaches every carrier; where none are given those of the operator's own tests do.
WIDE = {
    "dense": st.one_of(dense(9), dense(14), dense(26)),
    "conv2d": st.one_of(conv2d(9), conv2d(14), conv2d(26)),
    "max_pool2d": st.one_of(pooling(MaxPool2d, 20), pooling(MaxPool2d, 50), pooling(MaxPool2d, 60)),
    "avg_pool2d": st.one_of(pooling(AvgPool2d, 12), pooling(AvgPool2d, 40), pooling(AvgPool2d, 53)),
    "reduce_max": st.one_of(reduction(ReduceMax, 20), reduction(ReduceMax, 50), reduction(ReduceMax, 60)),
    "reduce_sum": st.one_of(reduction(ReduceSum, 20), reduction(ReduceSum, 46), reduction(ReduceSum, 58)),
    "requantize": st.one_of(requantize(20), requantize(40), requantize(60)),
    "requantize_each": st.one_of(requantize_each(20), requantize_each(40), requantize_each(52)),
    "table": st.one_of(table(8)),
    "softmax": st.one_of(softmax(9), softmax(50), softmax(56)),
}


@pytest.mark.parametrize("operator", SINGLE, ids=lambda cls: cls.op)
def test_each_operator_in_every_carrier(operator: type[Node]):
    seen: Counter[np.dtype] = Counter()

    @once
    @given(WIDE.get(operator.op, SINGLE[operator]), st.integers(0, 999))
    def run(graph: Graph, seed: int) -> None:
        if all(value.format.width <= 62 for value in graph.values.values()):
            check(graph, random_codes(graph, 3, seed), seen)

    run()
    assert set(seen) == set(CARRIERS)
    assert min(seen.values()) > 100


@pytest.mark.parametrize("seed", range(40))
def test_random_graphs_in_every_carrier(seed: int):
    graph, seen = random_graph(seed, spatial=seed % 3 != 0), Counter()
    check(graph, random_codes(graph, 9, seed), seen)
    assert seen[INT64] == 9 * sum(value.size for name, value in graph.values.items() if name != graph.input.name)


@pytest.mark.parametrize(
    ("bits", "expected"), [(24, np.float32), (25, np.float64), (53, np.float64), (54, np.int64), (62, np.int64)]
)
def test_a_carrier_holds_what_it_carries(bits: int, expected: type):
    source = Input(name="x", shape=(1,), format=FixedPoint(bits, 0, signed=False))
    node = Relu(name="y", inputs=("x",))
    graph = Graph("one", (source, node), ("y",))
    assert carrier(graph, node) == expected
    top = np.array([[source.format.high], [source.format.high - 1], [0]])
    assert np.array_equal(interpret(graph, top)[0], top)


def test_a_partial_sum_decides_even_where_the_result_is_small():
    """The bias centres the result within 24 bits, but the sum before it takes 25: float32 would drop its last bit."""
    source, top = Input(name="x", shape=(2,), format=fmt("u13.0")), 2047 * 8191
    weight, bias = Tensor(np.array([[2047, 2047]]), fmt("s12.0")), Tensor(np.array([-top]), fmt("s26.0"))
    node = Dense(name="y", inputs=("x",), weight=weight, bias=bias)
    graph = Graph("one", (source, node), ("y",))
    assert graph.values["y"].magnitude.bit_length() == 24
    assert carrier(graph, node) == np.float64
    codes = np.array([[8191, 8190], [8191, 8191], [0, 0]])
    assert interpret(graph, codes)[0].tolist() == [[top - 2047], [top], [-top]]
    wrong = FORMULAS[Dense](node, graph.operands(node), np.dtype(np.float32))(codes.astype(np.float32))
    assert wrong.tolist() != [[top - 2047], [top], [-top]]


@pytest.mark.parametrize("width", [8, 40, 60])
def test_values_that_are_read_again_stay_as_they_are(width: int):
    """Operators that work in place, behind the input, behind a view of it, and beside other readers of one value."""
    one = Tensor(np.array([[1, -1], [-1, 1]]), fmt("s2.0"))
    nodes: tuple[Node, ...] = (
        Input(name="x", shape=(2,), format=FixedPoint(width, 0)),
        Relu(name="positive", inputs=("x",)),
        Reshape(name="view", inputs=("x",), shape=(1, 2)),
        Relu(name="column", inputs=("view",)),
        Dense(name="sums", inputs=("x",), weight=one),
        Reshape(name="grid", inputs=("sums",), shape=(1, 2)),
        Relu(name="cut", inputs=("sums",)),
        Relu(name="cut.grid", inputs=("grid",)),
        Requantize(name="low", inputs=("cut",), format=fmt("u4.-1"), overflow=Overflow.WRAP),
        Add(name="both", inputs=("cut", "sums")),
    )
    read = {name for node in nodes for name in node.inputs}
    graph = Graph("again", nodes, tuple(node.name for node in nodes if node.name not in read))
    seen: Counter[np.dtype] = Counter()
    for kept in ((), ("view",), ("sums", "x"), ("cut", "grid")):
        check(replace(graph, outputs=(*graph.outputs, *kept)), random_codes(graph, 50), seen)
    assert seen[INT64] == 4 * 50 * 18


@once
@given(inputs((3,), 62), st.integers(0, 999))
def test_an_output_is_never_the_array_that_came_in(source: Input, seed: int):
    graph = Graph("one", (source,), ("x",))
    codes = random_codes(graph, 4, seed)
    (found,) = interpret(graph, codes)
    assert np.array_equal(found, codes)
    assert not np.shares_memory(found, codes)
