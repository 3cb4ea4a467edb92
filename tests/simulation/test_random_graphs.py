"""Random graphs: interpreter, ONNX Runtime and C simulation agree on every code; what they consist of is counted."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from flow.formats import FloatRounding, Overflow, Rounding
from flow.ir import OPERATORS, Dense, Graph, Requantize, RequantizeEach, RequantizeMinifloat, trace
from flow.simulation.compare import Mismatch
from tests.ir.growing import SHARING
from tests.ir.random_graphs import drawn
from tests.ir.shrink import shrunk
from tests.simulation.campaign import RUNGS, Rung, campaign, inputs_of, show

COUNT, ALL = 300, 5000
STREAMED, ALL_STREAMED = 100, 2000


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("campaign")


def assert_exact(number: int, folder: Path) -> None:
    """Fifty graphs: no rung refuses one, every code of every node is compared, none differs."""
    seeds = range(SHARING * number, SHARING * (number + 1))
    tally = campaign(seeds, folder)
    assert not tally.wrong, tally.report()
    assert tally.refused == []
    assert tally.graphs == dict.fromkeys(RUNGS, SHARING)
    codes = sum(len(inputs_of(drawn(seed), seed)) * sum(v.size for v in drawn(seed).values.values()) for seed in seeds)
    assert tally.codes.total() == len(RUNGS) * codes > 0


@pytest.mark.parametrize("number", range(COUNT // SHARING))
def test_three_hundred_graphs(number: int, folder: Path):
    assert_exact(number, folder)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(COUNT // SHARING, ALL // SHARING))
def test_five_thousand_graphs(number: int, folder: Path):
    assert_exact(number, folder)


def assert_streams(number: int, folder: Path) -> None:
    """Fifty graphs as RTL: every code of every node with random pauses, and without them in the predicted cycle."""
    seeds = range(SHARING * number, SHARING * (number + 1))
    tally = campaign(seeds, folder, ("rtl",))
    assert not tally.wrong, tally.report()
    assert tally.refused == []
    assert tally.graphs == {"rtl": SHARING}
    assert tally.codes.total() == sum(
        len(inputs_of(drawn(seed), seed)) * sum(value.size for value in drawn(seed).values.values()) for seed in seeds
    )


@pytest.mark.parametrize("number", range(STREAMED // SHARING))
def test_a_hundred_graphs_as_rtl(number: int, tmp_path: Path):
    assert_streams(number, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(STREAMED // SHARING, ALL_STREAMED // SHARING))
def test_two_thousand_graphs_as_rtl(number: int, tmp_path: Path):
    assert_streams(number, tmp_path)


@pytest.fixture(scope="module")
def graphs() -> list[Graph]:
    return [drawn(seed) for seed in range(COUNT)]


def test_the_same_seed_draws_the_same_graph(graphs: list[Graph]):
    assert [drawn(seed) for seed in range(5)] == graphs[:5]
    assert len(set(graphs)) == COUNT


def test_every_operator_occurs_often(graphs: list[Graph]):
    counts = Counter(type(node) for graph in graphs for node in graph)
    assert {cls.op: counts[cls] for cls in OPERATORS.values() if counts[cls] < 20} == {}


def test_every_mode_and_kind_of_format_occurs(graphs: list[Graph]):
    nodes = [node for graph in graphs for node in graph]
    casts = [node for node in nodes if isinstance(node, Requantize | RequantizeEach)]
    floats = [node for node in nodes if isinstance(node, RequantizeMinifloat)]
    assert {(node.rounding, node.overflow) for node in casts} == {(r, o) for r in Rounding for o in Overflow}
    assert {node.rounding for node in floats} == set(FloatRounding)
    assert len({(node.minifloat.exponent, node.minifloat.mantissa, node.minifloat.signed) for node in floats}) >= 9
    formats = [value.format for graph in graphs for value in graph.values.values()]
    assert sum(form.frac < 0 for form in formats) > 100
    assert sum(form.frac > form.width for form in formats) > 50
    assert min(sum(form.signed for form in formats), sum(not form.signed for form in formats)) > 300
    assert sum(form.width > 16 for form in formats) > 30
    assert max(form.width for form in formats) > 24  # beyond float32


def test_shapes_vary(graphs: list[Graph]):
    assert Counter(len(graph.input.shape) for graph in graphs).keys() == {1, 2, 3}
    assert sum(len(graph.outputs) > 1 for graph in graphs) > 100
    branched = [graph for graph in graphs if any(len(graph.consumers(node.name)) > 1 for node in graph)]
    assert len(branched) > 100


def test_a_failing_graph_shrinks_to_the_node_and_the_sample():
    """A rung that is wrong wherever the last weight of a Dense layer counts."""

    def first(graph: Graph, codes: np.ndarray) -> Mismatch | None:
        for node in graph:
            if isinstance(node, Dense):
                wrong = trace(graph, codes)[node.inputs[0]][:, -1] > 0
                return Mismatch(node.name, (int(np.argmax(wrong)), 0), 0, 1) if wrong.any() else None
        return None

    seed = next(seed for seed in range(COUNT) if len(drawn(seed)) > 5 and first(drawn(seed), inputs_of(drawn(seed), 0)))
    graph = drawn(seed)
    least, codes = shrunk(graph, inputs_of(graph, 0), first)
    assert [node.op for node in least] == ["input", "dense"]
    assert len(codes) == 1
    assert first(least, codes)


def test_a_wrong_rung_is_reported_and_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def off_by_one(graphs, codes, folder):
        pairs = zip(graphs, codes, strict=True)
        return [{**(right := trace(graph, x)), graph.outputs[-1]: right[graph.outputs[-1]] + 1} for graph, x in pairs]

    for name in ("onnxruntime", "csim"):
        monkeypatch.delitem(RUNGS, name)
    monkeypatch.setitem(RUNGS, "interpreter", Rung(off_by_one))
    tally = campaign([17, 18], tmp_path)
    assert [(seed, rung) for seed, rung, _ in tally.wrong] == [(17, "interpreter"), (18, "interpreter")]
    assert tally.report().splitlines()[1].endswith("; python -m tests.simulation.campaign 18")
    assert "\nthe least that fails, on [" in show(17, tmp_path)
