"""A pace or a board in place of a folding: resolved before the export, refused in words where it cannot be."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import flow
from flow.errors import BoardError, ExportError
from flow.estimation import estimate, exported_folding, fastest_folding, folding_for_pace, load_board
from flow.exporters.verilog import check_options
from flow.exporters.writer import write_tree
from flow.stages.pace import with_folding
from tests.graphs import mlp_graph

GRAPH = mlp_graph(sizes=(16, 8, 4))
PYNQ = load_board("pynq_z2")


def test_a_pace_becomes_a_folding_of_the_export_and_of_its_estimate(tmp_path: Path):
    files = flow.export(GRAPH, "verilog", target_fps=5_000_000, board="pynq_z2")
    assert json.loads(str(files["stream.json"]))["ii_cycles"] <= 20
    write_tree(tmp_path / "rtl", files)
    folding = exported_folding(tmp_path / "rtl")
    assert folding == folding_for_pace(GRAPH, PYNQ, 5_000_000)
    assert estimate(GRAPH, PYNQ, folding=folding).ii_cycles == json.loads(str(files["stream.json"]))["ii_cycles"]


def test_a_board_is_filled_and_other_options_stay():
    found = with_folding(GRAPH, {"fit": True, "board": "pynq_z2", "dsp": True})
    assert found == {"dsp": True, "folding": fastest_folding(GRAPH, PYNQ, dsp=True)}
    assert with_folding(GRAPH, {"dsp": True, "board": "pynq_z2"}) == {"dsp": True}


def test_a_design_that_is_larger_than_its_board_is_told_what_fits():
    graph, board = mlp_graph(sizes=(24, 24, 10)), "icebreaker"
    with pytest.raises(ExportError) as caught:
        with_folding(graph, {"architecture": "spatial", "depth": 2, "board": board})
    cost = estimate(graph, load_board(board), architecture="spatial", depth=2)
    folding = fastest_folding(graph, load_board(board))
    fitting = estimate(graph, load_board(board), folding=folding)
    layers = ", ".join(f"{name} {pe} x {simd}" for name, (pe, simd) in folding.items())
    lut, limit = cost.total.lut, cost.capacity["lut"] * cost.ceilings["lut"] / 100
    assert str(caught.value).startswith(
        f"The spatial design of 'mlp' takes {lut:,.0f} LUT, {lut / limit:.2f} times the {limit:,.0f} that {board} "
        "should fill at most"
    )
    assert str(caught.value).endswith(
        f"the fastest that fits is of the stream architecture, {fitting.total.lut:,.0f} LUT and {fitting.ii_cycles:,} "
        f"cycles a sample with PE x SIMD of {layers}: ask for --architecture stream --fit, or take a larger board."
    )
    assert with_folding(GRAPH, {"architecture": "spatial", "board": "pynq_z2"}) == {"architecture": "spatial"}


def test_a_design_that_fits_in_no_folding_is_told_so():
    graph = mlp_graph(sizes=(300, 200, 10))
    with pytest.raises(
        ExportError, match=r"^The stream design of 'mlp' takes .*; no folding of the stream architecture "
    ):
        with_folding(graph, {"folding": {"fc1": (1, 1), "fc2": (1, 1)}, "board": "icebreaker"})


def test_without_an_export_there_is_no_folding(tmp_path: Path):
    assert exported_folding(tmp_path) is None
    write_tree(tmp_path / "rtl", flow.export(GRAPH, "verilog", architecture="spatial"))
    assert exported_folding(tmp_path / "rtl") is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"target_fps": 0}, "A pace is a number of samples a second above 0, not 0."),
        ({"target_fps": "fast"}, "A pace is a number of samples a second above 0, not 'fast'."),
        (
            {"fit": "pynq_z2"},
            "Option 'fit' is true or false, not 'pynq_z2'; the board is an option of its own.",
        ),
        (
            {"fit": True, "target_fps": 5},
            "Options 'target_fps' and 'fit' both say how far layers are folded; give one of them.",
        ),
        (
            {"folding": {"fc1": (1, 1)}, "target_fps": 5},
            "Options 'folding' and 'target_fps' both say how far layers are folded; give one of them.",
        ),
    ],
)
def test_paces_that_are_none_are_named(options: dict, said: str):
    with pytest.raises(ExportError) as caught:
        check_options(options)
    assert str(caught.value) == said


def test_a_pace_needs_a_board_that_exists():
    with pytest.raises(ExportError) as caught:
        with_folding(GRAPH, {"target_fps": 5})
    assert str(caught.value) == (
        "A pace, or the fastest design that fits, needs a board; name one of those in `flow boards`."
    )
    with pytest.raises(BoardError, match=r"^Board 'pynq_z3' is not one of "):
        with_folding(GRAPH, {"fit": True, "board": "pynq_z3"})
