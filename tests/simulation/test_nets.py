"""Whole nets, trained on real samples, through the rungs: no code of any node differs."""

from __future__ import annotations

from pathlib import Path

import pytest

import flow
from flow.exporters.writer import write_tree
from flow.simulation.ladder import FOLDERS, Context, RungResult, climb
from tests.nets import NETS, OPTIONS, Design, design

EXPORTERS = {"onnx": "onnx", "hls": "hls", "hls4ml": "hls4ml"}
RUNGS = ("torch", "interpreter", "onnxruntime", "csim")
WITH_HLS4ML = ("jet_mlp", "conv1d")  # the others in `make test-all`: its compiler takes longest


def climbed(made: Design, folder: Path, rungs: tuple[str, ...]) -> list[RungResult]:
    for needed in sorted({FOLDERS[rung] for rung in rungs if rung in FOLDERS}):
        write_tree(folder / needed, flow.export(made.graph, EXPORTERS[needed]))
    return list(climb(Context(made.graph, made.codes, folder, made.model), rungs))


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


@pytest.mark.parametrize("name", NETS)
def test_whole_nets(name: str, tmp_path: Path):
    made = design(name, 8)
    assert made.moved > 0
    assert_exact(made, tmp_path, (*RUNGS, "hls4ml") if name in WITH_HLS4ML else RUNGS)


@pytest.mark.slow
@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("name", NETS)
def test_whole_nets_with_every_option(name: str, options: str, tmp_path: Path):
    assert_exact(design(name, 64, OPTIONS[options]), tmp_path, RUNGS)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETS)
def test_whole_nets_at_full_size(name: str, tmp_path: Path):
    assert_exact(design(name, 16, full=True), tmp_path, (*RUNGS, "hls4ml"))
