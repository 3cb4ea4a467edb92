import json
import statistics

import pytest

from flow.estimation.vendor import VENDOR, predicted, published


def test_every_published_figure_has_its_source_and_its_ratio():
    entries = published()
    assert len(entries) == len(json.loads(VENDOR.read_text())["rows"]) == 7
    for entry in entries:
        assert entry.published_lut > 0 and entry.other and entry.source and entry.flow.startswith("Vivado")
        assert entry.ratio == entry.other_lut / entry.published_lut
    assert {entry.design.split(",")[0] for entry in entries} >= {"FracBNN", "da4ml", "HGQ-LUT"}


def test_a_prediction_stands_on_rebuilt_designs_only_and_says_so():
    ratios = sorted(entry.ratio for entry in published() if entry.rebuilt)
    assert len(ratios) == 3
    found = predicted(10_000)
    assert found["lut"] == round(10_000 / statistics.median(ratios))
    assert (found["lowest"], found["highest"]) == (round(10_000 / ratios[-1]), round(10_000 / ratios[0]))
    assert found["lowest"] <= found["lut"] <= found["highest"]
    assert found["basis"] == (
        "Yosys maps 1.11 LUTs (0.91 to 1.12) for each that Vivado reports of 3 published designs; not run here"
    )


def test_the_vendors_own_estimate_is_told_apart():
    (own,) = [entry for entry in published() if "Vivado HLS" in entry.other]
    assert not own.rebuilt
    assert own.ratio == pytest.approx(3.53, abs=0.01)
