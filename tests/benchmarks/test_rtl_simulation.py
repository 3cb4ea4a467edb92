"""The C++ program around a design of either architecture: every beat is driven, and a wrong result is seen."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from flow.errors import ToolError
from flow.tools import run
from tests.graphs import mlp_graph

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from rtl_simulation import ARCHITECTURES, SAMPLES, built  # a folder of scripts, not a package


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_result_is_compared(architecture: str, tmp_path: Path):
    graph = mlp_graph(sizes=(4, 6, 3))
    project, _ = built(graph, tmp_path, architecture, "-O1")
    assert project.ii_cycles * SAMPLES < 2_000_000
    program = tmp_path / "obj_dir" / "Vtop"
    found = json.loads(run([program, "1"], cwd=tmp_path))
    assert (found["samples"], found["wrong"]) == (SAMPLES, 0)
    data = bytearray((tmp_path / "expected.bin").read_bytes())
    data[-3] ^= 1
    (tmp_path / "expected.bin").write_bytes(bytes(data))
    with pytest.raises(ToolError, match='"wrong": 1'):
        run([program, "1"], cwd=tmp_path)
