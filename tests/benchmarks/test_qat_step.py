"""The benchmark of training steps runs on a tiny case without peers, and names those."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from flow.tools import run

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "qat_step.py"


@pytest.mark.slow
def test_it_runs_and_says_who_is_missing(tmp_path: Path) -> None:
    target = tmp_path / "rows.json"
    options = "--cases mlp --threads 1 --steps 1 --rounds 1 --batch 4 --elements 100 --no-peers".split()
    run([sys.executable, SCRIPT, *options, "--json", target])
    rows = json.loads(target.read_text())["rows"]
    case = "mlp, batch 4, 1 threads"
    steps = {row["who"]: row for row in rows if row["case"] == f"{case}, wall" and row["unit"] == "ms"}
    kinds = ("s8 by tensor", "s8 by element", "learned lengths by tensor", "learned lengths by element", "e4m3")
    assert set(steps) >= {"float", "by hand, s8", *(f"flow, {kind}" for kind in kinds)}
    assert steps["flow, s8 by tensor"]["ratio_to_flow"] == 1.0
    assert [row["who"].partition(":")[0] for row in rows if row["unit"] == "missing"] == [
        "Brevitas",
        "PQuantML",
        "HGQ2",
    ]
