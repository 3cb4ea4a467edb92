import json

import numpy as np
import pytest

from flow.estimation import clock, estimate, load_board
from flow.estimation.clock import CLOCK, Stage, basis, clock_errors, fmax_mhz, spatial_stage, stream_stage
from flow.estimation.clock_points import clock_designs, measure_clocks
from flow.exporters.verilog import make_plan
from flow.exporters.verilog.spatial import plan_spatial
from flow.place_and_route import placer
from flow.synthesis import CARRY_LUTS, Family, tool
from tests.graphs import mlp_graph


def test_every_design_has_been_placed_and_streaming_ones_have_their_present_depth():
    stored = json.loads(CLOCK.read_text())
    assert stored["tool"] == f"{tool()}, {placer()}"
    points = {point["design"]: (point["levels"], point["bits"]) for point in stored["points"]}
    present = {name: (stage.levels, stage.bits) for name, _, _, stage in clock_designs()}
    assert points.keys() == present.keys()
    assert len(points) >= 12
    streams = [name for name in points if name.startswith("stream")]
    assert [points[name] for name in streams] == [present[name] for name in streams]


def test_the_clock_of_a_design_left_out_is_roughly_known():
    size = np.abs(clock_errors())
    assert len(size) >= 12
    assert np.median(size) < 15
    assert size.max() < 60


def test_more_depth_is_a_lower_clock():
    assert fmax_mhz(Stage(1, 8, "")) > fmax_mhz(Stage(4, 8, "")) > fmax_mhz(Stage(8, 8, ""))
    deep, shallow = (spatial_stage(plan_spatial(mlp_graph(sizes=(16, 8, 4)), depth)) for depth in (8, 1))
    assert fmax_mhz(deep) < fmax_mhz(shallow)
    wide, narrow = ({"fc1": (1, simd), "fc2": (1, 1)} for simd in (8, 1))
    graph = mlp_graph(sizes=(16, 8, 4))
    assert fmax_mhz(stream_stage(make_plan(graph, wide))) < fmax_mhz(stream_stage(make_plan(graph, narrow)))


def test_the_slowest_layer_and_the_basis_are_told():
    found = estimate(mlp_graph(sizes=(16, 8, 4)), load_board("pynq_z2")).to_json()
    assert found["slowest"] in ("fc1", "fc2")
    assert (
        found["fmax_basis"]
        == basis(Family.XC7)
        == ("pipeline depth, calibrated on ECP5 (speed grade 6) by nextpnr; no place and route of xc7 stands behind it")
    )
    assert basis(Family.ECP5) == "pipeline depth, calibrated on ECP5 (speed grade 6) by nextpnr"


def test_nextpnr_counts_the_luts_in_carry_cells():
    for point in json.loads(CLOCK.read_text())["points"]:
        sites = point["lut"] + CARRY_LUTS[Family.ECP5] * point["carry"]
        # Beside those, nextpnr adds a cell where a chain starts or ends.
        assert 0 <= point["comb"] - sites < 0.25 * point["comb"]


def test_what_is_placed_is_not_placed_again(tmp_path, monkeypatch):
    path = tmp_path / "clock.json"
    path.write_text(CLOCK.read_text())
    monkeypatch.setattr("flow.estimation.clock_points.place_and_route", None)
    heard = []
    assert measure_clocks(path, lambda *what: heard.append(what)) == 0
    assert heard[-1][1] == heard[-1][2] >= 12


@pytest.mark.slow
def test_placing_the_first_design_gives_its_clock_again(tmp_path):
    from flow.estimation.clock_points import _placed

    name, graph, options, stage = next(iter(clock_designs()))
    stored = {point["design"]: point for point in json.loads(clock.CLOCK.read_text())["points"]}
    assert _placed(name, graph, options, stage) == stored[name]
