"""The benchmark of emulation runs without peers on few samples, compares before it times, and names who is missing."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from flow.errors import DataError
from flow.ir import interpret
from flow.tools import run
from tests.graphs import mlp_graph, random_codes

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.slow
def test_it_runs_and_says_who_is_missing(tmp_path: Path) -> None:
    target = tmp_path / "rows.json"
    cases = ["jets, mixed formats", "digits_resnet"]
    options = ["--samples", "50", "--images", "4", "--rounds", "1", "--no-peers", "--json", target]
    printed = run([sys.executable, BENCHMARKS / "emulation.py", "--cases", *cases, *options])
    assert f"{cases[0]}: 50 samples, 250 outputs of flow are the interpreter's" in printed
    rows = json.loads(target.read_text())["rows"]
    timed = [row for row in rows if row["unit"] == "thousand samples/s"]
    clocks = [f"{case}, {clock}" for case in cases for clock in ("wall", "cpu")]
    assert [(row["case"], row["who"], row["ratio_to_flow"]) for row in timed] == [
        (case, "flow", 1.0) for case in clocks
    ]
    missing = [row["who"].partition(":")[0] for row in rows if row["unit"] == "missing"]
    assert missing == ["hls4ml", "da4ml", "alkaid"]


def test_a_wrong_output_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import emulation

    graph = mlp_graph()
    expected = interpret(graph, random_codes(graph, 3))[0]
    values = expected * float(graph.values[graph.outputs[0]].format.step)
    np.save(tmp_path / "peer.npy", values)
    emulation.check("peer", tmp_path, graph, expected)
    values[2, 5] += 2.0**-20
    np.save(tmp_path / "peer.npy", values)
    with pytest.raises(DataError, match=r"^peer differs from the interpreter in 1 of 30 outputs of 'mlp'\.$"):
        emulation.check("peer", tmp_path, graph, expected)
