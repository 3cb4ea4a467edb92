"""Words of the spatial architecture against the interpreter, operation by operation, and the files they become."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flow.errors import ExportError, FormatError
from flow.exporters.hls import export_hls
from flow.exporters.verilog.spatial import Spatial, export_spatial, plan_spatial
from flow.exporters.verilog.spatial.words import Op, Unit, Word
from flow.exporters.writer import write_tree
from flow.formats import FixedPoint, FloatRounding, Minifloat, Overflow, Rounding, Specials, cast, encode_integers
from flow.ir import Graph, Input, Relu, Requantize, RequantizeMinifloat, trace
from flow.tools import run, verilator_environment
from tests.graphs import fmt, mlp_graph, random_codes, random_graph, resnet_graph
from tests.ir.every_operator import every_operator
from tests.ir.random_graphs import drawn
from tests.ir.strategies import lut_dense

Codes = np.ndarray

# The meaning of every operation on int64 arrays, written down a second time.
MEANING: dict[str, Callable[..., Codes]] = {
    "constant": lambda op, word: np.int64(op.numbers[0]),
    "lift": lambda op, word, x: x << op.numbers[0],
    "plus": lambda op, word, x: x + op.numbers[0],
    "less": lambda op, word, x: op.numbers[0] - x,
    "sum": lambda op, word, a, b: (a << op.numbers[0]) + (b << op.numbers[1]),
    "minus": lambda op, word, a, b: (a << op.numbers[0]) - (b << op.numbers[1]),
    "looked_up": lambda op, word, x, at: x + (np.array(op.numbers[1:])[at] << op.numbers[0]),
    "multiplied": lambda op, word, x, *more: multiplied(op, x, more),
    "part": lambda op, word, x: (x >> op.numbers[0]) & ((1 << word.form.width) - 1),
    "raised": lambda op, word, x: x + (1 << (op.reads[0].form.width - 1)),
    "inverted": lambda op, word, x: (1 << op.reads[0].form.width) - 1 - x,
    "relu": lambda op, word, x: np.maximum(x, 0),
    "floor": lambda op, word, x: x >> op.numbers[0],
    "saturated": lambda op, word, x: np.clip(x, *op.numbers),
    "wrapped": lambda op, word, x: cast(
        np.atleast_1d(x), 0, FixedPoint(op.numbers[0], 0, bool(op.numbers[1])), Rounding.TRN, Overflow.WRAP
    ),
    "cell": lambda op, word, x: cast(
        np.atleast_1d(x), op.numbers[0], FixedPoint(op.numbers[1], 0, bool(op.numbers[2])),
        list(Rounding)[op.numbers[3]], list(Overflow)[op.numbers[4]],
    ),
    "times": lambda op, word, a, b: a * b,
    "minifloat": lambda op, word, x: minifloat(op, x),
    "larger": lambda op, word, a, b: np.maximum(a, b),
    "above": lambda op, word, a, b: (a > b).astype(np.int64),
    "chosen": lambda op, word, bit, a, b: np.where(bit == 1, a, b),
    "bits": lambda op, word, *x: sum(((w >> at) & 1) << i for i, (w, at) in enumerate(zip(x, op.numbers, strict=True))),
    "shifted": lambda op, word, x, bits: x >> bits,
    "entry": lambda op, word, x: np.array(op.numbers)[x - op.reads[0].low],
}  # fmt: skip


def multiplied(op: Op, x: Codes, more: Sequence[Codes]) -> Codes:
    """Sums beside each other, none of which reaches into the next one."""
    factors, places, lifts = np.reshape(op.numbers, (3, len(more)))
    sums = [factor * x + word + lift for factor, word, lift in zip(factors, more, lifts, strict=True)]
    for each, low, high in zip(sums, places, [*places[1:], 62], strict=True):
        assert each.min() >= 0 and each.max() < 1 << (high - low)
    return sum(each << place for each, place in zip(sums, places, strict=True))


def minifloat(op: Op, x: Codes) -> Codes:
    """The two cells, by the format that their parameters describe."""
    drop, exponent, mantissa, signed, rounding, highest = op.numbers
    for specials in Specials:
        try:
            form = Minifloat.standard(exponent, mantissa, specials, bool(signed))
        except FormatError:
            continue
        if form.highest_code == highest:
            codes = encode_integers(np.atleast_1d(x), form.frac + drop, form, list(FloatRounding)[rounding])
            return form.integers(codes)
    raise AssertionError(op)


def computed(unit: Unit, outputs: list[Word], places: dict[int, Codes], count: int) -> list[Codes]:
    """The outputs for int64[count] inputs by the bit where each starts; every word stays within its range."""
    values: dict[int, Codes] = {}
    for word in unit.reachable(outputs):
        op: Op = unit.ops[word.index]
        reads = [values[source.index] for source in op.reads]
        found = places[op.numbers[0]] if op.kind == "input" else MEANING[op.kind](op, word, *reads)
        values[word.index] = np.broadcast_to(found, (count,))
        assert word.low <= values[word.index].min() and values[word.index].max() <= word.high, op
        assert all(source.index < word.index for source in op.reads)
    return [values[word.index] for word in outputs]


def equal(graph: Graph, count: int, seed: int, codes: Codes | None = None, plan: Spatial | None = None) -> int:
    """How many codes of the graph's blocks were compared; all agree with the interpreter."""
    plan = plan or plan_spatial(graph)
    codes = random_codes(graph, count, seed) if codes is None else codes
    expected, count = trace(graph, codes), len(codes)
    compared = 0
    for move in plan.moves:
        buses = [expected[name].reshape(count, -1) << lift for name, lift in zip(move.reads, move.lifts, strict=True)]
        columns = [np.zeros(count) if source is None else buses[source[0]][:, source[1]] for source in move.sources]
        np.testing.assert_array_equal(np.stack(columns, 1), expected[move.name].reshape(count, -1), err_msg=move.name)
        compared += count * len(columns)
    for block in plan.blocks:
        buses = [expected[name].reshape(count, -1) for name in block.reads]
        lanes = [graph.values[name].format.width for name in block.reads]
        result = expected[block.name].reshape(count, -1)
        for taps, places in zip(block.taps or (None,), block.places, strict=True):
            inputs: dict[int, Codes] = {}
            bit = 0
            for bus, lane in zip(buses, lanes, strict=True):
                codes = bus if taps is None else np.pad(bus, ((0, 0), (0, 1)))[:, list(taps)]
                inputs.update({bit + i * lane: codes[:, i] for i in range(codes.shape[1])})
                bit += codes.shape[1] * lane
            for place, found in zip(places, computed(block.unit, list(block.words), inputs, count), strict=True):
                np.testing.assert_array_equal(found, result[:, place], err_msg=f"{block.name}[{place}]")
                compared += count
    return compared


@pytest.mark.parametrize("batch", range(5))
def test_random_graphs_equal_the_interpreter(batch: int):
    for seed in range(10 * batch, 10 * batch + 10):
        graph = random_graph(seed, spatial=seed % 3 == 0)
        assert equal(graph, 20, seed) >= 20


@pytest.mark.parametrize("batch", range(4))
def test_random_graphs_of_every_operator_equal_the_interpreter(batch: int):
    assert sum(equal(drawn(seed), 20, seed) for seed in range(25 * batch, 25 * batch + 25)) > 20_000


@pytest.mark.slow
@pytest.mark.parametrize("batch", range(20))
def test_two_thousand_random_graphs_equal_the_interpreter(batch: int):
    for seed in range(1000 + 100 * batch, 1100 + 100 * batch):
        assert equal(random_graph(seed, spatial=seed % 3 == 0), 20, seed) >= 20
        assert equal(drawn(seed), 20, seed) >= 20


@pytest.mark.parametrize("graph", [mlp_graph(), resnet_graph()], ids=lambda graph: graph.name)
def test_the_two_networks_equal_the_interpreter(graph: Graph):
    assert equal(graph, 30, 0) > 1000


def one_cast(source: str, target: str, rounding: Rounding, overflow: Overflow, relu: bool) -> Graph:
    nodes = [Input(name="x", shape=(1,), format=fmt(source))]
    if relu:
        nodes.append(Relu(name="r", inputs=("x",)))
    form = {"format": fmt(target), "rounding": rounding, "overflow": overflow}
    nodes.append(Requantize(name="y", inputs=(nodes[-1].name,), **form))
    return Graph("one", tuple(nodes), ("y",))


@pytest.mark.parametrize("overflow", Overflow)
@pytest.mark.parametrize("rounding", Rounding)
def test_casts_agree_on_every_code(rounding: Rounding, overflow: Overflow):
    """With and without a rectifier before them, narrower, wider, finer and coarser."""
    for target in ("s4.2", "u4.2", "s9.4", "u3.-1", "s1.1", "u7.4"):
        if overflow is Overflow.WRAP_SM and target.startswith("u"):
            continue
        for relu in (False, True):
            graph = one_cast("s6.3", target, rounding, overflow, relu)
            assert equal(graph, 64, 0, np.arange(-32, 32)[:, None]) == 64


def test_latency_grows_with_every_cut():
    graph = mlp_graph(sizes=(16, 8, 4))
    plans = [plan_spatial(graph, depth) for depth in (0, 4, 2, 1)]
    for plan in plans:
        assert plan.latency_cycles == sum(block.body.cycles for block in plan.blocks) + 2
    latencies = [plan.latency_cycles for plan in plans]
    assert latencies[0] == len(plans[0].blocks) + 2 == 4
    assert latencies == sorted(latencies) and len(set(latencies)) == len(latencies)


def test_a_cut_at_both_ends_takes_two_registers():
    """A reset below zero, a set beyond all ones; what cannot be below zero takes one."""
    both = one_cast("s6.3", "u2.1", Rounding.TRN, Overflow.SAT, relu=True)
    above = one_cast("u6.3", "u2.1", Rounding.TRN, Overflow.SAT, relu=True)
    assert [plan_spatial(graph, 0).latency_cycles for graph in (both, above)] == [4, 3]
    (text,) = [str(text) for name, text in export_spatial(both, 0).items() if "_block_" in name]
    assert "w4_kept <= w2[3] ? '0 : 2'(w2);" in text and "w4_over ? 2'h3 : w4_kept" in text


def test_the_same_graph_gives_the_same_bytes():
    graph = random_graph(4)
    assert export_spatial(graph) == export_spatial(graph)


@pytest.mark.parametrize(
    "graph", [mlp_graph(sizes=(6, 8, 4)), *(random_graph(s, spatial=s != 3) for s in (1, 2, 3))], ids=lambda g: g.name
)
def test_generated_files_are_lint_clean(graph: Graph, tmp_path):
    write_tree(tmp_path / "rtl", export_spatial(graph))
    argv = ["verilator", "--lint-only", "-Wall", "--top-module", f"{graph.name}_top", "-f", "filelist.f"]
    run(argv, cwd=tmp_path / "rtl", env=verilator_environment())


def test_every_operator_in_every_form():
    assert equal(every_operator(), 20, 0) > 17_000


def test_a_minifloat_with_too_many_exponent_bits():
    source = Input(name="x", shape=(1,), format=fmt("s8.4"))
    node = RequantizeMinifloat(name="y", inputs=("x",), minifloat=Minifloat(6, 1, 7), origin="net.act")
    message = (
        r"^The minifloats of a spatial design have at most 5 exponent bits, but those of node 'y' are e6m1b7; take "
        r"fewer, or export this design with --to hls\.$"
    )
    with pytest.raises(ExportError, match=message):
        export_spatial(Graph("g", (source, node), ("y",)))


@pytest.mark.parametrize("export", [export_spatial, export_hls])
def test_values_without_codes_are_named(export: Callable[[Graph], object]):
    nodes = Input(name="x", shape=(2, 0), format=fmt("u2.0")), Relu(name="r", inputs=("x",), origin="net.act")
    with pytest.raises(ExportError) as caught:
        export(Graph("empty", nodes, ("r",)))
    message = "Node 'x' has the shape (2, 0) and so no codes, which no hardware holds; leave it out."
    assert str(caught.value) == message


def test_sums_of_truth_tables_as_words():
    """Any bits of any codes, terms of one to many bits, constant ones left out."""
    compared = []

    @settings(derandomize=True, deadline=None, max_examples=120)
    @given(lut_dense(), st.integers(0, 999))
    def run(graph: Graph, seed: int) -> None:
        compared.append(equal(graph, 60, seed))

    run()
    assert len(compared) >= 100
    assert min(compared) > 0
