"""No pattern of pauses stops a streaming design whose branches join, and FIFOs that are too short are seen to."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace

import numpy as np
import pytest

from flow.errors import ExportError, ToolError
from flow.exporters.verilog import make_plan, predict
from flow.ir import Add, Conv2d, Graph, Input, Node, Requantize, trace
from flow.simulation.rtl_beats import read_project
from flow.simulation.rtl_program import Pauses, stream_program
from tests.graphs import fmt, mixed_graph, random_codes, random_tensor, resnet_graph
from tests.simulation.test_rtl import assert_exact, exported

Uneven = tuple[Graph, dict[str, tuple[int, int]]]


def test_joined_parts_and_two_outputs_stop_under_no_pattern_of_stalls(tmp_path):
    """Both outputs stall most of the time, each at its own; parts of a join come rows before others of it."""
    graph = mixed_graph()
    project, codes = read_project(graph, exported(graph, tmp_path)), random_codes(graph, 12)
    expected = trace(graph, codes)
    for seed in range(40):
        pauses = Pauses.LONG if seed % 2 else Pauses.SOME
        run = stream_program(project, codes, seed, tmp_path / "b", pauses=pauses, runs_long=False)
        assert all((run.codes[name] == expected[name]).all() for name in graph.outputs), seed


def assert_stops_never(graph: Graph, folder, seeds: range) -> None:
    """Every stream is exact with pauses on both sides; most of the time in every other run."""
    project, codes = read_project(graph, exported(graph, folder)), random_codes(graph, 4)
    for seed in seeds:
        pauses = Pauses.LONG if seed % 2 else Pauses.SOME
        run = stream_program(project, codes, seed, folder / "b", pauses=pauses, runs_long=False)
        assert_exact(graph, run.codes, codes)


def test_a_residual_join_stops_under_no_pattern_of_stalls(tmp_path):
    """One way of the fork has a window, a layer and casts; the other is the join's FIFO."""
    assert_stops_never(resnet_graph(size=4, channels=4), tmp_path, range(6))


@pytest.mark.slow
def test_residual_joins_stop_under_no_pattern_of_stalls(tmp_path):
    for size, channels in ((4, 4), (6, 2)):
        assert_stops_never(resnet_graph(size=size, channels=channels), tmp_path / f"{size}", range(40))


def uneven_graph(pixels: int, chain: int, inner: int = 1, wide: int = 16, lanes: tuple[int, int] = (1, 1)) -> Uneven:
    """A chain of pixelwise layers and a slow one, beside a window that waits for a row and a pixel.

    Args:
        pixels: of a row.
        chain: layers before the slow one.
        inner: channels between them.
        wide: channels of the join.
        lanes: of the chain, and of the join.
    """
    rng, folding = np.random.default_rng(0), dict[str, tuple[int, int]]()
    nodes: list[Node] = [Input(name="x", shape=(1, 4, pixels), format=fmt("s4.0"))]

    def layer(name: str, source: str, shape: tuple[int, int, int], fold: tuple[int, int], cast: bool = True) -> None:
        channels, fan, side = shape
        weight = random_tensor(rng, (channels, fan, side, side), "s3.1")
        nodes.append(Conv2d(name=name, inputs=(source,), weight=weight, padding=(side // 2, side // 2)))
        folding[name] = fold
        if cast:
            nodes.append(Requantize(name=f"{name}.out", inputs=(name,), format=fmt("s4.0")))

    (own, joined), fan, simd = lanes, 1, 1
    for place in range(chain):
        layer(f"a{place}", nodes[-1].name, (inner, fan, 1), (own, simd))
        fan, simd = inner, own
    layer("slow", nodes[-1].name, (wide, fan, 1), (joined, simd), cast=False)
    layer("near", "x", (1, 1, 3), (1, 1))
    layer("wide", "near.out", (wide, 1, 1), (joined, 1), cast=False)
    return Graph("uneven", (*nodes, Add(name="add", inputs=("slow", "wide"))), ("add",)), folding


def drawn(seed: int) -> Uneven:
    """One of these, mostly with a beat a pixel before the slow layer."""
    rng = np.random.default_rng(seed)
    inner, wide = (int(rng.choice(counts)) for counts in ((1, 2, 4), (8, 16, 32)))
    lanes = int(rng.choice([1, inner, inner])), int(rng.choice([1, 1, 2]))
    return uneven_graph(int(rng.integers(8, 40)), int(rng.integers(1, 6)), inner, wide, lanes)


@pytest.mark.slow
def test_branches_of_any_layers_stop_under_no_pattern_of_stalls(tmp_path):
    for seed in range(40):
        graph, folding = drawn(seed)
        project = read_project(graph, exported(graph, tmp_path / f"{seed}", folding=folding))
        codes = random_codes(graph, 2)
        for number, pauses in enumerate((Pauses.NONE, Pauses.SOME, Pauses.LONG, Pauses.LONG)):
            run = stream_program(project, codes, number, tmp_path / "b", pauses=pauses, runs_long=False)
            assert_exact(graph, run.codes, codes)


@pytest.mark.slow
def test_a_chain_of_layers_beside_a_window_stops_under_no_pattern_of_stalls(tmp_path):
    """A layer that a pause could leave a register short of would stop this one, whenever the input pauses a lot."""
    graph, folding = uneven_graph(pixels=70, chain=12)
    project, codes = read_project(graph, exported(graph, tmp_path, folding=folding)), random_codes(graph, 2)
    for seed, pauses in itertools.product(range(3), (Pauses.NONE, Pauses.SOME, Pauses.LONG)):
        run = stream_program(project, codes, seed, tmp_path / "b", pauses=pauses, runs_long=False)
        assert_exact(graph, run.codes, codes)


def test_a_residual_join_stops_with_a_fifo_too_short(tmp_path):
    """The testbench sees a stop, which the test above would pass over otherwise."""
    graph = resnet_graph(size=4, channels=4)
    depth = make_plan(graph).fifos["add", 1]
    project = exported(graph, tmp_path)
    top = project / "resnet_top.sv"
    (whole,) = re.findall(rf"flow_fifo #\(\s+\.Width\(\d+\),\s+\.Depth\({depth}\)\s+\) u_fifo_b__add ", top.read_text())
    top.write_text(top.read_text().replace(whole, whole.replace(f"Depth({depth})", "Depth(2)")))
    with pytest.raises(ToolError, match="a stream is stuck"):
        stream_program(read_project(graph, project), random_codes(graph, 1), 0, tmp_path / "b", runs_long=False)


def test_a_join_whose_fifo_is_too_short_would_stop():
    plan = make_plan(resnet_graph(size=4, channels=4))
    depth = plan.fifos["add", 1]
    assert depth > 2
    with pytest.raises(
        ExportError, match=r"^Design 'resnet' would stop for lack of buffers; plan it with make_plan\.$"
    ):
        predict(replace(plan, fifos={**plan.fifos, ("add", 1): 2}))
    assert predict(plan).ii_cycles == max(predict(plan).stages.values())


@pytest.mark.parametrize("place", [("rows", 1), ("rows", 2), ("both", 1)])
def test_a_part_whose_fifo_is_too_short_would_stop(place):
    plan = make_plan(mixed_graph())
    assert plan.fifos[place] > 2
    with pytest.raises(ExportError, match=r"^Design 'mixed' would stop for lack of buffers; plan it with make_plan\.$"):
        predict(replace(plan, fifos={**plan.fifos, place: 2}))
