"""The frontier from stored points: means, ratios by hand, and points that somebody else has added."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from flow.errors import DataError
from flow.tools import run

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from frontier import check_logic, curve, luts_at, merged, rows, shown  # a folder of scripts, not a package

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "frontier.py"


def point(who, price, seed, lut, accuracy):
    return {"who": who, "price": price, "seed": seed, "lut": lut, "accuracy": accuracy, "seconds": 30.0, "yosys": "y"}


OWN = [
    point("flow", "lut<=1000", 0, 900, 0.90), point("flow", "lut<=1000", 1, 1000, 0.92),
    point("flow", "lut<=2000", 0, 1950, 0.95), point("flow", "lut<=2000", 1, 1950, 0.95),
]  # fmt: skip
OTHER = [point("HGQ2, alkaid", "beta 0.0001", 0, 2900, 0.93), point("HGQ2, alkaid", "beta 0.001", 0, 300, 0.5)]


def test_a_curve_has_the_mean_of_every_price():
    assert curve(OWN) == [("lut<=1000", 950, pytest.approx(91)), ("lut<=2000", 1950, pytest.approx(95))]


def test_luts_at_an_accuracy_lie_on_the_straight_line_and_nowhere_beyond_its_ends():
    line = [("a", 100.0, 90.0), ("worse with more", 150.0, 89.0), ("b", 300.0, 94.0)]
    assert [luts_at(line, share) for share in (90.0, 92.0, 94.0, 89.9, 94.1)] == [100, 200, 300, None, None]


def test_a_row_is_compared_where_flow_is_as_accurate():
    found = {row.case: row.ratio_to_flow for row in rows([*OWN, *OTHER]) if row.who != "flow" and row.unit == "LUT"}
    assert found == {"beta 0.0001: 93.00 % accurate": pytest.approx(2900 / 1450), "beta 0.001: 50.00 % accurate": None}


def test_a_point_of_flow_is_set_over_the_peer_where_that_is_as_accurate():
    found = {row.case: row.value for row in rows([*OWN, *OTHER]) if row.unit == "x"}
    ratio = pytest.approx(950 / (300 + 2600 * 41 / 43))
    assert found == {f"lut<=1000: over HGQ2, alkaid at 91.00 %, {words}": ratio for words in ("means", "medians")}


def test_a_seed_in_which_a_net_fell_apart_moves_the_ratio_of_means_alone():
    fallen = [point("HGQ2, alkaid", "beta 0.001", seed, 800, 0.90) for seed in (1, 2)]
    found = {row.case: row.value for row in rows([*OWN, *OTHER, *fallen]) if row.unit == "x"}
    low, mean = 1900 / 3, 230 / 3
    assert found == {
        "lut<=1000: over HGQ2, alkaid at 91.00 %, means": pytest.approx(
            950 / (low + (2900 - low) * (91 - mean) / (93 - mean))
        ),
        "lut<=1000: over HGQ2, alkaid at 91.00 %, medians": pytest.approx(950 / (800 + 2100 / 3)),
    }


def test_a_point_of_flow_is_shown_with_its_ports_and_without():
    held = {"seed": 3, "seconds": 50.0, "yosys": "y", "lut": 991, "ports": 158, "accuracy": 0.93}
    same = {"price": "lut<=1000", "accuracy": 0.93, "seed": 3, "seconds": 50.0, "yosys": "y"}
    assert shown("flow", 1000, held) == [
        {"who": "flow", "lut": 991, **same},
        {"who": "flow, without ports", "lut": 833, **same},
    ]
    luts = {"asked": "lut<=1000", "estimated": 1003, "measured": 991}
    told = shown("flow", 1000, {**held, "budget": {**luts, "met": True, "rounds": []}})
    assert [entry.get("budget") for entry in told] == [luts, None]


def test_a_taught_peer_is_another_one_to_be_compared_with():
    held = {"seed": 0, "seconds": 60.0, "yosys": "y", "alkaid_lut": 700, "alkaid": 0.93}
    taught, plain = (shown(who, 1e-4, held) for who in ("hgq2_taught", "hgq2"))
    assert [entry["who"] for entry in (*taught, *plain)] == ["HGQ2, taught, alkaid", "HGQ2, alkaid"]
    better = [{**entry, "who": "HGQ2, taught, alkaid", "lut": entry["lut"] // 2} for entry in OTHER]
    found = {row.case: row.value for row in rows([*OWN, *OTHER, *better]) if row.unit == "x" and "means" in row.case}
    plainly, taught = (found[f"lut<=1000: over HGQ2, {who}alkaid at 91.00 %, means"] for who in ("", "taught, "))
    assert taught == pytest.approx(2 * plainly)


def test_points_of_others_stay_and_own_ones_are_replaced(tmp_path: Path):
    place = tmp_path / "points.json"
    place.write_text(json.dumps({"points": [*OTHER, {**OWN[0], "lut": 1}]}))
    found = merged(place, OWN)
    assert len(found) == len(OWN) + len(OTHER)
    assert all(entry in found for entry in (*OWN, *OTHER))
    assert merged(tmp_path / "none.json", OTHER) == sorted(OTHER, key=lambda entry: entry["price"])


def test_a_net_that_training_has_emptied_is_refused():
    check_logic(1.0, 1e-3, 0)
    with pytest.raises(DataError) as caught:
        check_logic(0.0, 1e-3, 2)
    assert str(caught.value) == (
        "A net needs weights to become logic, but HGQ2 has pruned all of them at beta 0.001, seed 2; give lower "
        "--betas."
    )


def test_stored_points_are_drawn_without_computing_anything(tmp_path: Path):
    stored = tmp_path / "points.json"
    bare = [{**entry, "who": "flow, without ports"} for entry in OWN[:1]]
    stored.write_text(json.dumps({"points": [*OWN, *OTHER, *bare]}))
    options = ["--finished", "--folder", tmp_path, "--points", stored, "--plot", tmp_path / "f.svg"]
    run([sys.executable, SCRIPT, *options, "--json", tmp_path / "rows.json"])
    drawing = (tmp_path / "f.svg").read_text()
    assert drawing.startswith("<svg") and all(name in drawing for name in ("lut&lt;=1000", "beta 0.0001"))
    assert "without ports" not in drawing
    assert len(json.loads((tmp_path / "rows.json").read_text())["rows"]) == 12
