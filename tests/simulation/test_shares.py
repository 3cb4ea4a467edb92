"""A softmax alone on every rung: all rows of a small format, rows of a long one, and its netlist."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from flow.exporters.hls import export_hls
from flow.exporters.onnx import export_onnx
from flow.exporters.verilog import export_verilog
from flow.exporters.writer import write_tree
from flow.ir import Graph, Input, Softmax, interpret, trace
from flow.simulation.csim import simulate_csim
from flow.simulation.netlist import simulate_netlist
from flow.simulation.onnxruntime import simulate_onnxruntime
from tests.graphs import fmt
from tests.simulation.streams import streamed


def alone(name: str, text: str, shape: tuple[int, ...], mantissa: int) -> Graph:
    """A softmax along the last axis."""
    source = Input(name="x", shape=shape, format=fmt(text))
    node = Softmax(name="y", inputs=("x",), axis=len(shape) - 1, mantissa=mantissa)
    return Graph(name, (source, node), ("y",))


def test_every_row_of_a_small_format_on_every_rung(tmp_path: Path):
    """4,096 rows of three codes: one formula, and no bit that moves where all codes move by an integer.

    As RTL beside it rows of one code below 1, whose exponents take a single bit.
    """
    graph = alone("rows", "s4.1", (3,), 3)
    rows = np.array(list(itertools.product(range(-8, 8), repeat=3)))
    expected = trace(graph, rows)["y"]
    inside = rows.max(axis=1) < 6
    assert np.array_equal(interpret(graph, rows[inside] + 2)[0], expected[inside])
    assert inside.sum() == 14**3
    write_tree(tmp_path / "onnx", export_onnx(graph))
    write_tree(tmp_path / "hls", export_hls(graph, rows[:1], form="stream"))
    single, codes = alone("single", "u3.3", (1,), 3), np.arange(8)[:, None]
    several = streamed([graph, single], [rows, codes], tmp_path)
    assert single["y"].exponent(single.values["x"]).width == 1
    np.testing.assert_array_equal(several[1]["y"], trace(single, codes)["y"], strict=True)
    assert set(several[1]["y"].flat) == {7, 8}
    found = {
        "onnxruntime": simulate_onnxruntime(graph, tmp_path / "onnx", rows),
        "csim": simulate_csim(graph, tmp_path / "hls", rows, jobs=1),
        "rtl": several[0],
    }
    for rung, values in found.items():
        assert values["y"].size == 4096 * 3
        np.testing.assert_array_equal(values["y"], expected, strict=True, err_msg=rung)


@pytest.mark.slow
def test_the_netlist_of_two_rows(tmp_path: Path):
    graph = alone("mapped", "s7.3", (2, 4), 6)
    codes = np.random.default_rng(0).integers(-64, 64, (32, 2, 4))
    write_tree(tmp_path / "rtl", export_verilog(graph))
    found, expected = simulate_netlist(graph, tmp_path / "rtl", codes), trace(graph, codes)
    assert found["y"].size == 32 * 8
    np.testing.assert_array_equal(found["y"], expected["y"], strict=True)
