"""Whole nets, trained on real samples, through the rungs: no code of any node differs."""

from __future__ import annotations

from pathlib import Path

import pytest

from flow.ir import trace
from flow.simulation.compare import compare
from tests.nets import NETS, OPTIONS, Design, climbed, design
from tests.simulation.campaign import campaign
from tests.simulation.coverage import Coverage
from tests.simulation.streams import streamed

RUNGS = ("torch", "interpreter", "onnxruntime", "csim")
WITH_HLS4ML = ("jet_mlp", "conv1d")  # the others in `make test-all`: its compiler takes longest
WITH_SHARES = ("lenet", "attention")  # which hls4ml does not have


def assert_exact(made: Design, folder: Path, rungs: tuple[str, ...]) -> None:
    """Each rung shows every node and every code of it as the arbiter has it; hls4ml shows what is a layer there."""
    count, total = len(made.codes), sum(value.size for value in made.graph.values.values())
    for result in climbed(made, folder, rungs):
        assert result.skipped is None, result.skipped
        assert result.comparison.mismatches == 0, f"{result.name}: {result.comparison.first}"
        assert result.vectors == count
        if result.name == "hls4ml":
            assert result.comparison.values > count * total / 2
        else:
            assert (result.comparison.values, result.nodes) == (count * total, len(made.graph))


def assert_streams(made: Design, folder: Path) -> None:
    """The streaming RTL shows every code of every node, and moves in the predicted cycles."""
    (codes,) = streamed([made.graph], [made.codes], folder)
    found = compare(made.graph, trace(made.graph, made.codes), codes)
    assert found.first is None, found.first
    assert found.values == len(made.codes) * sum(value.size for value in made.graph.values.values())


# Attention has a hundred nodes to compile, and of the others every operator is in other nets as well.
LONGEST = ("attention", "resnet8", "mobilenet", "conv1d", "autoencoder")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in LONGEST else name for name in NETS]
)
def test_whole_nets(name: str, tmp_path: Path):
    made = design(name, 8)
    assert made.moved > 0
    assert_exact(made, tmp_path, (*RUNGS, "hls4ml") if name in WITH_HLS4ML else RUNGS)
    assert_streams(made, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("name", NETS)
def test_whole_nets_with_every_option(name: str, options: str, tmp_path: Path):
    assert_exact(design(name, 64, OPTIONS[options]), tmp_path, RUNGS)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETS)
def test_whole_nets_at_full_size(name: str, tmp_path: Path):
    assert_exact(design(name, 16, full=True), tmp_path, RUNGS if name in WITH_SHARES else (*RUNGS, "hls4ml"))


@pytest.mark.slow
@pytest.mark.parametrize("name", NETS)
def test_whole_nets_as_rtl_under_cocotb_and_as_netlists(name: str, tmp_path: Path):
    made = design(name, 16)
    rtl, netlist = climbed(made, tmp_path, ("rtl", "netlist"))
    values = made.graph.values
    for result, shown in ((rtl, values), (netlist, made.graph.outputs)):
        assert result.skipped is None, result.skipped
        assert result.comparison.mismatches == 0, f"{result.name}: {result.comparison.first}"
        assert (result.vectors, result.comparison.values) == (16, 16 * sum(values[node].size for node in shown))


def test_what_was_compared_is_counted_and_what_was_refused_is_listed():
    found = Coverage()
    found.climb("conv1d", "minifloats", ("interpreter", "onnxruntime", "hls4ml"), 4, False)
    found.random(campaign(range(2), Path("unused"), rungs=("interpreter",)))
    values = design("conv1d", 4, OPTIONS["minifloats"]).graph.values
    assert found.codes["argmax", "onnxruntime"] == 4
    assert sum(codes for (_, rung), codes in found.codes.items() if rung == "onnxruntime") == 4 * sum(
        value.size for value in values.values()
    )
    assert found.designs == {"interpreter": 3, "onnxruntime": 1}
    assert [line.partition(": ")[0] for line in found.refused] == ["conv1d minifloats hls4ml"]
    assert "requantize_minifloat" in found.refused[0]
    assert {row.case for row in found.rows()} >= {"conv2d", "requantize_minifloat", "designs", "mismatches"}
