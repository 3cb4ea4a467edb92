"""Sums of truth tables on every rung, in every form and both architectures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from flow.exporters.hls import export_hls
from flow.exporters.hls4ml import export_hls4ml
from flow.exporters.onnx import export_onnx
from flow.exporters.verilog import export_verilog
from flow.exporters.verilog.spatial import export_spatial
from flow.exporters.writer import write_tree
from flow.formats import FixedPoint, Overflow, Rounding
from flow.ir import Graph, Input, LutDense, Requantize, RequantizeEach, Tensor
from flow.simulation.ladder import Context, climb
from tests.graphs import fmt, random_codes
from tests.ir.every_operator import truth_table_operators


def tables(rng: np.random.Generator, outputs: int, inputs: int, bits: int, form: str) -> Tensor:
    """Random tables, a third of them constant."""
    held = fmt(form)
    codes = rng.integers(held.low, held.high, (outputs, inputs, 1 << bits), endpoint=True)
    constant = rng.random((outputs, inputs, 1)) < 0.3
    return Tensor(np.where(constant, codes[..., :1], codes), held)


def numbers(*held: int) -> Tensor:
    return Tensor(np.array(held), FixedPoint.holding(min(held), max(held), 0))


def layers_graph() -> Graph:
    """Two layers with words by input before the first and a cast before the second, as a trained net lowers."""
    rng = np.random.default_rng(7)
    return Graph(
        "luts",
        (
            Input(name="x", shape=(7,), format=fmt("u4.4")),
            RequantizeEach(
                name="fc1.in", inputs=("x",), fracs=numbers(2, 1, 2, 3, 2, 0, 2), widths=numbers(*[2] * 7), signed=False
            ),
            LutDense(
                name="fc1", inputs=("fc1.in",), tables=tables(rng, 5, 7, 2, "s4.3"), origin="fc1",
                shifts=numbers(1, 2, 1, 0, 1, 3, 1),
            ),
            Requantize(
                name="fc2.in", inputs=("fc1",), format=fmt("s3.1"), rounding=Rounding.TRN, overflow=Overflow.SAT
            ),
            LutDense(name="fc2", inputs=("fc2.in",), tables=tables(rng, 3, 5, 3, "s5.1"), shifts=numbers(*[0] * 5)),
        ),
        ("fc1", "fc2"),
    )  # fmt: skip


GRAPHS = [layers_graph(), truth_table_operators()]
FORMS = {
    "onnxruntime": ("onnx", lambda graph: export_onnx(graph, trace=True)),
    "csim": ("hls", export_hls),
    "csim streams": ("hls", lambda graph: export_hls(graph, form="stream")),
    "rtl": ("rtl", export_verilog),
    "rtl spatial": ("rtl", export_spatial),
    "netlist spatial": ("rtl", export_spatial),
}


@pytest.mark.parametrize("graph", GRAPHS, ids=["layers", "rows"])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_equals_the_interpreter(graph: Graph, form: str, tmp_path: Path):
    folder, make = FORMS[form]
    write_tree(tmp_path / folder, make(graph))
    codes = random_codes(graph, 40)
    (rung,) = climb(Context(graph, codes, tmp_path), (form.split()[0],))
    assert rung.skipped is None
    assert rung.comparison.first is None
    assert rung.comparison.values >= rung.vectors * sum(graph.values[name].size for name in graph.outputs) > 0


@pytest.mark.slow
@pytest.mark.parametrize("graph", GRAPHS, ids=["layers", "rows"])
def test_hls4ml_reads_rows_of_one_table(graph: Graph, tmp_path: Path):
    write_tree(tmp_path / "hls4ml", export_hls4ml(graph))
    (rung,) = climb(Context(graph, random_codes(graph, 40), tmp_path), ("hls4ml",))
    assert (rung.skipped, rung.comparison.first) == (None, None)
    assert rung.comparison.values > 0
