import json
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest

from flow.estimation import clock_points, estimate, load_board
from flow.estimation.clock import CLOCK, Stage, basis, clock_errors, fmax_mhz, spatial_stage, stream_stage
from flow.estimation.clock_points import clock_designs, clock_digest, measure_clocks
from flow.exporters.verilog import make_plan
from flow.exporters.verilog.spatial import plan_spatial
from flow.place_and_route import placer
from flow.synthesis import CARRY_LUTS, Area, Family, tool
from tests.graphs import mlp_graph

AGAIN = "the clocks are stale; run: flow characterize --clock"
SHORT_CHAINS = ("spatial-10-2", "spatial-11-6")  # many of two cells


def test_every_design_has_been_placed_as_it_is_now():
    stored = json.loads(CLOCK.read_text())
    assert stored["tool"] == f"{tool()}, {placer()}", AGAIN
    points = {p["design"]: (p["digest"], p["levels"], p["bits"]) for p in stored["points"]}
    present = {
        name: (clock_digest(graph, options), stage.levels, stage.bits)
        for name, graph, options, stage in clock_designs()
    }
    assert points == present, AGAIN
    assert Counter(name.split("-")[0] for name in points) == {"stream": 12, "spatial": 10}


def test_the_clock_of_a_design_left_out_is_roughly_known():
    size = np.abs(clock_errors())
    assert len(size) == 22
    assert np.median(size) < 15
    assert size.max() < 40


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
        share = 0.26 if point["design"] in SHORT_CHAINS else 0.25
        assert 0 <= point["comb"] - sites < min(1.6 * point["carry"], share * point["comb"])


@pytest.fixture
def placed(tmp_path, monkeypatch):
    """A file with a point for each of three designs, and the names of the tops that are placed from then on."""
    designs = list(clock_designs())[-3:]
    tops = []

    def synthesised(sources, top, family, netlist_json):
        tops.append(top)
        return SimpleNamespace(netlist_json="", area=Area(lut=1))

    found = SimpleNamespace(fmax_mhz=100.0, utilisation={"TRELLIS_COMB": (2, 3)})
    monkeypatch.setattr(clock_points, "clock_designs", lambda: iter(designs))
    monkeypatch.setattr(clock_points, "synthesise", synthesised)
    monkeypatch.setattr(clock_points, "place_and_route", lambda netlist, device: found)
    path = tmp_path / "clock.json"
    assert measure_clocks(path) == 3
    assert tops == [f"calibration_{seed}_top" for seed in (9, 10, 11)]
    tops.clear()
    return path, tops, designs


def test_what_is_placed_is_not_placed_again(placed):
    path, tops, _ = placed
    before, heard = path.read_text(), []
    assert measure_clocks(path, lambda *what: heard.append(what)) == 0
    assert heard[-1] == ("characterize: clocks", 3, 3)
    assert (tops, path.read_text()) == ([], before)


def test_a_design_of_another_text_is_placed_again_and_the_others_are_not(placed):
    path, tops, designs = placed
    before = path.read_text()
    name, graph, options, stage = designs[1]
    designs[1] = name, graph, {**options, "depth": 1}, stage
    assert measure_clocks(path) == 1
    assert tops == ["calibration_10_top"]
    was, now = (json.loads(text)["points"] for text in (before, path.read_text()))
    assert [old["digest"] == new["digest"] for old, new in zip(was, now, strict=True)] == [True, False, True]
    assert measure_clocks(path) == 0


def test_a_depth_that_is_counted_anew_needs_no_placing(placed):
    path, tops, designs = placed
    designs[0] = *designs[0][:3], Stage(9, 8, "")
    assert measure_clocks(path) == 0
    assert tops == []
    assert json.loads(path.read_text())["points"][0]["levels"] == 9


@pytest.mark.slow
def test_placing_the_first_design_gives_its_clock_again():
    from flow.estimation.clock_points import _placed

    name, graph, options, _ = next(iter(clock_designs()))
    stored = {point["design"]: point for point in json.loads(CLOCK.read_text())["points"]}
    assert _placed(graph, options).items() <= stored[name].items()
