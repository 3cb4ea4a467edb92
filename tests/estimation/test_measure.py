import numpy as np
import pytest

from flow.errors import ToolError
from flow.estimation import estimate, load_board, measure
from flow.exporters.verilog import export_verilog, make_plan
from flow.exporters.writer import write_tree
from flow.simulation.rtl import run_streams
from flow.synthesis import tool
from tests.estimation.error_table import BOARDS, DESIGNS, RESOURCES, estimated, measured, read_table
from tests.graphs import mlp_graph, random_codes

TABLE = {(entry["design"], entry["board"]): entry for entry in read_table()}
AGAIN = "python -m tests.estimation.error_table"


def test_the_table_has_every_design_on_both_families():
    assert list(TABLE) == [(design, board) for design in DESIGNS for board in BOARDS]
    assert {entry["measured"]["tool"] for entry in TABLE.values()} == {tool()}


@pytest.mark.parametrize(("design", "board"), TABLE)
def test_the_estimates_are_those_of_the_table(design, board):
    assert estimated(design, board) == TABLE[design, board]["estimated"], AGAIN


@pytest.mark.parametrize(("design", "board"), TABLE)
def test_the_errors_are_below_ten_percent_and_dsp_and_bram_are_exact(design, board):
    entry = TABLE[design, board]
    guess, truth = entry["estimated"], entry["measured"]
    computed = {key: round(100 * (guess[key] - truth[key]) / truth[key], 1) for key in RESOURCES if truth[key]}
    assert computed == entry["error_percent"]
    assert abs(computed["lut"]) < 10
    assert abs(computed["ff"]) < 3
    assert (guess["dsp"], guess["bram"]) == (truth["dsp"], truth["bram"])


@pytest.mark.slow
@pytest.mark.parametrize(("design", "board"), TABLE)
def test_synthesis_gives_the_table_again(design, board):
    assert measured(design, board) == TABLE[design, board]["measured"], AGAIN


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """The smallest design and its RTL."""
    graph = DESIGNS["mlp_16_8_4"]()
    folder = tmp_path_factory.mktemp("project") / "rtl"
    write_tree(folder, export_verilog(graph))
    return graph, folder


@pytest.mark.slow
def test_the_smallest_design_measures_as_in_the_table_and_its_layers_add_up(small):
    graph, folder = small
    board = load_board("pynq_z2")
    found = measure(graph, folder, board)
    cost = estimate(graph, board).beside(found)
    stored = TABLE["mlp_16_8_4", "pynq_z2"]
    assert {"tool": found.tool, **{key: found.total.to_json()[key] for key in RESOURCES}} == stored["measured"]
    assert {key: round(cost.error_percent[key], 1) for key in RESOURCES if cost.error_percent[key]} == {
        key: v for key, v in stored["error_percent"].items() if v
    }
    assert "synth_xilinx -family xc7" in found.recipe
    assert [(layer.name, layer.op) for layer in found.layers] == [(node.name, node.op) for node in graph]
    luts = {layer.name: layer.usage.lut for layer in found.layers}
    assert luts["relu1"] == 0  # measured with the cast that absorbs it
    assert all(luts[name] > 0 for name in ("input", "fc1", "fc1.out", "fc2"))
    assert abs(sum(luts.values()) - found.total.lut) / found.total.lut < 0.05


@pytest.mark.slow
def test_measuring_uses_the_folding_of_the_export(tmp_path):
    graph = DESIGNS["mlp_16_8_4"]()
    folding = {"fc1": (2, 1), "fc2": (1, 2)}
    write_tree(tmp_path / "rtl", export_verilog(graph, folding))
    board = load_board("ultra96_v2")
    found = measure(graph, tmp_path / "rtl", board, layers=False)
    cost = estimate(graph, board, folding=folding)
    assert make_plan(graph, folding).folding != make_plan(graph).folding
    assert cost.total.ff == found.total.ff
    assert abs(cost.total.lut - found.total.lut) / found.total.lut < 0.1


def test_without_rtl_there_is_nothing_to_measure(tmp_path):
    with pytest.raises(ToolError) as caught:
        measure(mlp_graph(), tmp_path / "rtl", load_board("pynq_z2"))
    assert str(caught.value) == (
        "There is no exported RTL in 'rtl' (No such file or directory); run `flow export` with verilog first."
    )


def test_latency_and_interval_are_those_of_the_simulated_clock(small):
    graph, folder = small
    run = run_streams(graph, folder, random_codes(graph, 4), pause=0.0)
    cost = estimate(graph, load_board("pynq_z2"))
    beats = len(run.cycles["m_axis"]) // 4
    last = np.array(run.cycles["m_axis"])[beats - 1 :: beats]
    assert last[0] - run.cycles["s_axis"][0] == cost.latency_cycles
    assert np.diff(last).tolist() == [cost.ii_cycles] * 3
