import io
import json
import statistics
from pathlib import Path

import pytest
from rich.console import Console

from flow import show
from flow.api import export
from flow.estimation import estimate, load_board
from flow.estimation.points import read_points
from flow.estimation.vendor import (
    OURS,
    VENDOR,
    calibrated_with,
    counts,
    estimated,
    estimated_all,
    ours,
    predicted,
    published,
)
from flow.estimation.vendor_nets import STAND_INS, fracbnn, mlp
from flow.exporters.writer import write_tree
from flow.ir import Conv2d, Dense, dump
from flow.project import Project
from flow.stages.estimate import estimate_stage
from flow.synthesis import Family
from tests.graphs import mlp_graph

SMALL = [
    (key, one) for key, several in STAND_INS.items() for one in several if one.words != "no weight 0 but by chance"
]


def _printed(content) -> str:
    console = Console(width=250, record=True, file=io.StringIO())
    show.vendor(console, content)
    return console.export_text()


def test_every_published_figure_has_its_source_and_says_what_stands_in_for_it():
    entries = published()
    assert len(entries) == len(json.loads(VENDOR.read_text())["published"]) == 12
    assert len({entry.design for entry in entries}) == 12
    for entry in entries:
        assert entry.lut > 0 and entry.basis and "reference" in entry.source and entry.flow.startswith("Vivado")
    assert {entry.stand_in for entry in entries} - {None} == set(STAND_INS)


def test_counts_in_percent_are_those_of_the_device():
    vu9p = load_board("vcu118").resources
    checked = 0
    for entry in published():
        if entry.source.startswith("HGQ, table I: "):
            lut, dsp = (float(part.split()[-1]) for part in entry.source.split(" % of the ")[:2])
            assert (entry.lut, entry.dsp) == (round(vu9p.lut * lut / 100), round(vu9p.dsp * dsp / 100))
            checked += 1
    assert checked == 4


def test_ours_stands_beside_the_published_count_of_the_same_design():
    found = [(one.published.design, one.lut, one.published.lut) for one in ours()]
    assert [design for design, *_ in found] == ["hls4ml, jets' MLP, Q6 of QKeras"] * 2 + ["FracBNN, CIFAR-10"] * 2
    assert [one.ratio for one in ours()] == [mine / theirs for _, mine, theirs in found]


def test_what_is_stored_of_ours_is_of_the_present_stand_ins_and_tool():
    stored = json.loads(OURS.read_text())
    assert stored["tool"] == calibrated_with() == read_points(Family.XCUP)["tool"]
    listed = [(key, one.words) for key, several in STAND_INS.items() for one in several]
    assert [(row["stand_in"], row["words"]) for row in stored["rows"]] == listed


@pytest.mark.parametrize(("key", "stand_in"), SMALL, ids=[one.words for _, one in SMALL])
def test_ours_is_what_the_model_says_now(key, stand_in):
    """A change of the model moves it: then run `python -m flow.estimation.vendor`."""
    assert estimated(key, stand_in) in json.loads(OURS.read_text())["rows"]


@pytest.mark.slow
def test_the_whole_file_is_what_the_model_says_now():
    assert estimated_all() == OURS.read_text()


def test_a_folded_stand_in_keeps_the_published_pace():
    (cost, *_) = [one.cost() for one in STAND_INS["fracbnn"] if one.dsp]
    assert cost.ii_cycles <= 250e6 / 2806.9 < 2 * cost.ii_cycles  # 250 MHz, frames a second
    assert (cost.architecture, cost.board.name, cost.total.dsp > 0) == ("stream", "ultra96_v2", True)


def test_the_stand_ins_have_the_published_shapes_and_widths():
    graph = fracbnn()
    convs = [node for node in graph if isinstance(node, Conv2d)]
    shapes = [(node.weight.shape[1], node.weight.shape[0]) for node in convs]
    assert shapes == [(96, 16)] + 6 * [(16, 16)] + [(16, 32)] + 5 * [(32, 32)] + [(32, 64)] + 5 * [(64, 64)]
    assert all(set(node.weight.codes.flat) == {-1, 1} for node in convs)
    assert {graph.values[node.inputs[0]].format.width for node in convs[1:]} == {2}
    dense = [node for node in mlp(6, 0.5) if isinstance(node, Dense)]
    assert [node.weight.shape for node in dense] == [(64, 16), (32, 64), (32, 32), (5, 32)]
    zeros = [(node.weight.codes == 0).mean() for node in dense]
    assert all(0.5 <= share < 0.54 for share in zeros)
    assert {str(node.weight.format) for node in dense} == {"s6.5"}


def _ebops(graph) -> int:
    dense = [node for node in graph if isinstance(node, Dense)]
    bits = [graph.values[node.inputs[0]].format.width * node.weight.format.width for node in dense]
    return sum(one * int((node.weight.codes != 0).sum()) for one, node in zip(bits, dense, strict=True))


def test_ebops_alone_do_not_fix_the_area():
    """Why da4ml's and HGQ's own models have no stand-in."""
    wide, narrow = (
        mlp(bits, density, (16, 64, 64, 32, 5), activations)
        for bits, density, activations in ((2, 0.403, 3), (6, 0.0511, 6))
    )
    for graph in (wide, narrow):
        assert _ebops(graph) == pytest.approx(13_285, rel=0.02)
    areas = [estimate(graph, load_board("vcu118"), architecture="spatial").total.lut for graph in (wide, narrow)]
    assert areas[0] > 8 * areas[1]


def test_a_prediction_stands_on_rebuilt_designs_only_and_names_tools_versions_and_designs():
    ratios = sorted(count.ratio for count in counts() if count.rebuilt)
    assert len(ratios) == 3
    found = predicted(10_000, Family.XCUP, "spatial")
    assert found["lut"] == round(10_000 / statistics.median(ratios))
    assert (found["lowest"], found["highest"]) == (round(10_000 / ratios[-1]), round(10_000 / ratios[0]))
    assert found["lowest"] <= found["lut"] <= found["highest"]
    assert found["basis"] == (
        f"our estimate, in LUTs of {calibrated_with()} with flow's recipe for xcup, divided by 1.11 (0.91 to 1.12), "
        "the LUTs that Yosys 0.23 (synth_xilinx -family xcup) maps for each that Vivado reports after place and "
        "route, on da4ml's Verilog of 3 fully unrolled jets' MLPs without DSPs, two of them assumed to be the "
        "published models; on another such net pyosys 0.70 maps 1.05 times what Yosys 0.23 does, which is not "
        "divided out; Vivado was not run here"
    )
    folded = predicted(10_000, Family.XC7, "stream")["basis"]
    assert "; a design of the stream architecture is of another kind; Vivado was not run here" in folded
    assert f"{read_points(Family.XC7)['tool']} with flow's recipe for xc7" in folded


def test_what_others_counted_is_told_apart_and_the_vendors_own_estimate_too():
    assert len(counts()) == 7
    (own,) = [count for count in counts() if "Vivado HLS" in count.by]
    assert not own.rebuilt
    assert own.ratio == pytest.approx(193_380 / 54_728)
    for count in counts():
        assert count.rebuilt is count.by.startswith("Yosys 0.23 of da4ml's Verilog")
        assert count.source.startswith("reference")


def test_the_table_has_ours_the_ratio_and_the_tool_or_the_reason():
    text = _printed({"board": "vcu118", "vendor": predicted(1000, Family.XCUP, "spatial")})
    for one in ours():
        line = next(line for line in text.splitlines() if f"{one.lut:,}" in line)
        assert f"{one.published.lut:,}" in line and f"{one.ratio:.2f}" in line
    assert f"in LUTs of {calibrated_with()}, of the same shapes and widths with random weights" in text
    assert "EBOPs alone, 17,337, do not fix the area" in " ".join(text.replace("│", " ").split())
    assert "Vivado might report 903 LUT (897 to 1,104): our estimate, in LUTs of " in text


def test_the_readme_says_what_the_table_has():
    ratios = [f"{one.ratio:.2f}" for one in ours()]
    jets, images = (" to ".join(ratios[i : i + 2]) for i in (0, 2))
    sentence = (
        "`flow estimate NAME --board BOARD --vendor` lists twelve published Vivado figures: for the two whose shapes "
        f"and widths are known, our estimate of stand-ins with random weights, {jets} and {images} times their LUTs; "
        "for the others, why there is none."
    )
    assert sentence in " ".join((Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8").split())


def test_a_board_of_another_maker_has_no_prediction():
    assert "icebreaker is no Xilinx board: nothing published applies." in _printed(
        {"board": "icebreaker", "vendor": None}
    )


@pytest.mark.parametrize("architecture", ["stream", "spatial"])
def test_the_stage_predicts_for_the_architecture_that_was_exported(architecture, tmp_path):
    graph, project = mlp_graph(sizes=(8, 6, 4)), Project(tmp_path)
    write_tree(tmp_path, dump(graph))
    write_tree(tmp_path / "rtl", export(graph, "verilog", architecture=architecture))
    written = estimate_stage(project, "pynq_z2")
    assert written["architecture"] == architecture
    total = estimate(graph, load_board("pynq_z2"), architecture=architecture).total.lut
    assert written["vendor"] == predicted(total, Family.XC7, architecture)
    assert estimate_stage(project, "ulx3s_85f")["vendor"] is None
