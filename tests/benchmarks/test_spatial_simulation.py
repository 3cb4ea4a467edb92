"""The C++ program around a spatial design: samples as the port has them, and a wrong result is seen."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from flow.errors import ToolError
from flow.exporters.verilog.order import Order
from flow.simulation.rtl_beats import StreamType
from flow.tools import run
from tests.graphs import fmt, mlp_graph

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from spatial_simulation import SAMPLES, built, packed  # a folder of scripts, not a package


@pytest.mark.parametrize("text", ["s5.2", "u8.0", "s13.4"])
def test_samples_lie_in_bytes_as_beats_do(text: str):
    form = fmt(text)
    codes = np.random.default_rng(0).integers(form.low, form.high, (50, 7), endpoint=True)
    stream = StreamType("x", "x", (7,), Order.row_major((7,)), 7, form.width, form.signed, 1)
    expected = b"".join(beat.to_bytes(stream.beat_bytes, "little") for beat in stream.to_beats(codes))
    assert packed(codes, form) == expected


@pytest.mark.slow
def test_every_result_is_compared(tmp_path: Path):
    graph = mlp_graph(sizes=(4, 6, 3))
    built(graph, tmp_path, 2, "-O1")
    program = tmp_path / "obj_dir" / "Vtop"
    found = json.loads(run([program, "1"], cwd=tmp_path))
    assert (found["results"], found["wrong"]) == (SAMPLES, 0)
    data = bytearray((tmp_path / "expected.bin").read_bytes())
    data[-3] ^= 1
    (tmp_path / "expected.bin").write_bytes(bytes(data))
    with pytest.raises(ToolError, match='"wrong": 1'):
        run([program, "1"], cwd=tmp_path)
