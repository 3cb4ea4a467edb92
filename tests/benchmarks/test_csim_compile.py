"""The benchmark of compile times runs once on the small net and sets all three beside each other."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from flow.tools import run

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "csim_compile.py"


@pytest.mark.slow
def test_it_compiles_all_three(tmp_path: Path) -> None:
    target = tmp_path / "rows.json"
    case = "jet MLP 16-64-32-32-5"
    run([sys.executable, SCRIPT, "--cases", case, "--rounds", "1", "--json", target])
    rows = json.loads(target.read_text())["rows"]
    assert [(row["case"], row["who"]) for row in rows] == [
        (f"{case}, {clock}", who) for clock in ("CPU", "wall") for who in ("flow, parallel", "flow, stream", "hls4ml")
    ]
    assert [row["ratio_to_flow"] for row in rows[::3]] == [1.0, 1.0]
    assert all(row["value"] > 0 for row in rows)
