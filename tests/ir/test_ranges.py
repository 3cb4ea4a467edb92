"""Exact ranges: no code leaves them (tests/ir/test_interpret.py), and some input reaches both ends."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from flow.errors import GraphError
from flow.formats import FixedPoint, Overflow
from flow.ir import (
    AvgPool2d,
    Concat,
    Conv2d,
    Dense,
    Graph,
    Input,
    MaxPool2d,
    Mul,
    ReduceMax,
    ReduceSum,
    Relu,
    Requantize,
    ScaleShift,
    Sub,
    Tensor,
    interpret,
    trace,
)
from tests.graphs import fmt
from tests.ir.strategies import (
    conv2d,
    dense,
    flatten,
    formats,
    pad,
    pooling,
    reduction,
    relu,
    requantize,
    requantize_each,
    requantize_minifloat,
    reshape,
    scale_shift,
    table,
    upsample,
)

once = settings(derandomize=True, deadline=None, max_examples=60)


def reaches(graph: Graph, codes: np.ndarray) -> bool:
    values, value = trace(graph, codes)["y"], graph.values["y"]
    return (values.min(), values.max()) == (value.low, value.high)


def every_code(graph: Graph) -> np.ndarray:
    """Every code of the input at all places."""
    form, shape = graph.input.format, graph.input.shape
    return np.arange(form.low, form.high + 1).reshape(-1, *[1] * len(shape)) * np.ones((1, *shape), dtype=np.int64)


def extremes(weight: np.ndarray, low: int, high: int) -> np.ndarray:
    """The inputs that drive each row of `weight` (int64[O, ...]) highest and lowest: int64[2 O, ...]."""
    upper, lower = np.where(weight > 0, high, low), np.where(weight > 0, low, high)
    return np.concatenate([upper, lower])


@once
@given(dense())
def test_dense_reaches_its_range(graph: Graph):
    form = graph.input.format
    assert reaches(graph, extremes(graph["y"].weight.codes, form.low, form.high))


def inside(node: Conv2d, shape: tuple[int, ...]) -> tuple[int, int] | None:
    """Where the first window starts that sees no padding."""
    starts = []
    for size, kernel, stride, zeros in zip(shape[1:], node.kernel, node.stride, node.padding, strict=True):
        found = [start for start in range(-zeros, size + zeros - kernel + 1, stride) if 0 <= start <= size - kernel]
        starts += found[:1]
    return (starts[0], starts[1]) if len(starts) == 2 else None


@once
@given(conv2d())
def test_conv2d_reaches_its_range(graph: Graph):
    """Zero is a code of every input, so that padding widens nothing."""
    node, source = graph["y"], graph.input
    start = inside(node, source.shape)
    assume(start is not None)
    top, left = start
    windows = extremes(node.weight.codes, source.format.low, source.format.high)
    codes = np.zeros((len(windows), *source.shape), dtype=np.int64)
    for sample, window in enumerate(windows):
        first = (sample % len(node.weight.codes)) // (len(node.weight.codes) // node.groups) * node.weight.shape[1]
        codes[sample, first : first + len(window), top : top + node.kernel[0], left : left + node.kernel[1]] = window
    assert reaches(graph, codes)


@once
@given(
    st.one_of(
        scale_shift(), relu(), flatten(), reshape(), pad(), upsample(), pooling(MaxPool2d), pooling(AvgPool2d),
        reduction(ReduceMax), reduction(ReduceSum), requantize_minifloat(8),
    )
)  # fmt: skip
def test_monotone_operators_reach_their_range(graph: Graph):
    form = graph.input.format
    ends = np.array([form.low, form.high]).reshape(2, *[1] * len(graph.input.shape))
    assert reaches(graph, np.broadcast_to(ends, (2, *graph.input.shape)))


@once
@given(requantize(8, (Overflow.SAT, Overflow.SAT_SYM)))
def test_saturating_casts_reach_their_range(graph: Graph):
    assert reaches(graph, every_code(graph))


@once
@given(st.one_of(table(), requantize_each(8, (Overflow.SAT, Overflow.SAT_SYM))))
def test_tables_and_casts_per_place_reach_their_range(graph: Graph):
    assert reaches(graph, every_code(graph))


@once
@given(st.sampled_from([Sub, Mul]), formats(6), formats(6), st.sampled_from([((3, 1), (1, 2)), ((4,), (4,))]))
def test_differences_and_products_reach_their_range(
    cls: type[Sub] | type[Mul], a: FixedPoint, b: FixedPoint, shapes: tuple[tuple[int, ...], tuple[int, ...]]
):
    """Two inputs, so that all ends meet."""
    sides = [Input(name=name, shape=shape, format=form) for name, shape, form in zip("ab", shapes, (a, b), strict=True)]
    value = Graph("two", (*sides, cls(name="y", inputs=("a", "b"))), ("y",)).values["y"]
    pairs = [(x * a.step, y * b.step) for x in (a.low, a.high) for y in (b.low, b.high)]
    ends = [x * y if cls is Mul else x - y for x, y in pairs]
    assert (min(ends), max(ends)) == (value.low * value.format.step, value.high * value.format.step)
    assert value.shape == tuple(np.maximum(*shapes).tolist())


@once
@given(st.lists(formats(6), min_size=1, max_size=4))
def test_a_concat_reaches_its_range(forms: list[FixedPoint]):
    """As many inputs as parts, so that all ends are there at once."""
    sources = [Input(name=f"x{number}", shape=(2,), format=form) for number, form in enumerate(forms)]
    names = tuple(source.name for source in sources)
    value = Graph("joined", (*sources, Concat(name="y", inputs=names, axis=0)), ("y",)).values["y"]
    assert value.low * value.format.step == min(form.low * form.step for form in forms)
    assert value.high * value.format.step == max(form.high * form.step for form in forms)
    assert value.format.frac == max(form.frac for form in forms)
    assert value.shape == (2 * len(forms),)


@settings(once, max_examples=200)
@given(st.one_of(requantize(8), requantize_each(8)))
def test_other_casts_keep_their_range(graph: Graph):
    value, codes = graph.values["y"], every_code(graph)
    found = trace(graph, codes)["y"]
    assert value.low <= found.min() <= found.max() <= value.high


def test_ranges_are_those_of_the_constants_not_of_their_formats():
    nodes = (
        Input(name="x", shape=(1, 1, 2), format=fmt("s4.0")),
        Conv2d(name="c", inputs=("x",), weight=Tensor(np.array([1, -2]).reshape(1, 1, 1, 2), fmt("s8.3"))),
        Relu(name="r", inputs=("c",)),
        Requantize(name="y", inputs=("r",), format=fmt("u4.1"), overflow=Overflow.WRAP),
    )
    graph = Graph("exact", nodes, ("y",))
    assert [str(graph.values[node.name]) for node in nodes] == [
        "[1, 1, 2] s4.0 [-8, 7]",
        "[1, 1, 1] s6.3 [-22, 23]",
        "[1, 1, 1] u5.3 [0, 23]",
        "[1, 1, 1] u4.1 [0, 6]",
    ]


def test_ranges_beyond_int64_are_exact_and_refused():
    """Sums of wide weights, and a bias far left of the products: neither may wrap into a range that looks narrow."""
    wide = np.array([[2**61 - 1] * 8, [-(2**61)] * 8])
    x, one = Input(name="x", shape=(8,), format=fmt("s8.32")), Tensor(np.ones((2, 8), dtype=int), fmt("s8.31"))
    shallow = Tensor(np.array([2, -3]), fmt("s8.0"))
    sums = Dense(name="y", inputs=("x",), weight=Tensor(wide, fmt("s62.0")))
    lifted = Dense(name="y", inputs=("x",), weight=one, bias=shallow)
    scaled = ScaleShift(name="y", inputs=("x",), scale=Tensor(np.ones(8, dtype=int), fmt("s8.31")),
                        shift=Tensor(np.full(8, 2), fmt("s8.0")))  # fmt: skip
    ends = {}
    for name, node in (("sums", sums), ("lifted", lifted), ("scaled", scaled)):
        graph = Graph("wide", (x, node), ("y",))
        ends[name] = graph.values["y"].low, graph.values["y"].high
        with pytest.raises(GraphError, match=r"^Value 'y' needs \d+ bits; the interpreter holds 62 at most\.$"):
            interpret(graph, np.zeros((1, 8), dtype=int))
    assert sums.partial_bound(graph.values["x"]) == 128 * 8 * 2**61
    assert ends["sums"] == (-128 * 8 * (2**61 - 1), 128 * 8 * 2**61)
    assert ends["lifted"] == (-(3 << 63) - 128 * 8, (2 << 63) + 127 * 8)
    assert ends["scaled"] == ((2 << 63) - 128, (2 << 63) + 127)


@pytest.mark.parametrize(("low", "padded", "expected"), [(-8, True, (-24, 21)), (0, True, (0, 21))])
def test_padding_brings_zero_into_the_window(low: int, padded: bool, expected: tuple[int, int]):
    form = fmt("s4.0") if low else fmt("u3.0")
    node = Conv2d(
        name="y", inputs=("x",), weight=Tensor(np.ones((1, 1, 1, 3), dtype=int), fmt("u1.0")), padding=(0, int(padded))
    )
    value = Graph("one", (Input(name="x", shape=(1, 1, 3), format=form), node), ("y",)).values["y"]
    assert (value.low, value.high) == expected


@once
@given(dense(), st.integers(0, 999))
def test_no_order_of_addition_leaves_the_partial_bound(graph: Graph, seed: int):
    node, form, rng = graph["y"], graph.input.format, np.random.default_rng(seed)
    value = graph.values["x"]
    bound, lift = node.partial_bound(value), node.product_shift(value)
    codes = extremes(node.weight.codes, form.low, form.high)
    for row, bias in zip(node.weight.codes, node.bias_codes(value), strict=True):
        terms = np.append((codes * row) << lift, np.full((len(codes), 1), bias), axis=1)
        order = rng.permutation(terms.shape[1])
        assert np.abs(terms[:, order].cumsum(axis=1)).max() <= bound
