"""The naive product of benchmarks/area.py computes what the interpreter does: else its area would say nothing."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from flow.exporters.writer import write_tree
from flow.ir import interpret
from flow.tools import run, verilator_environment
from tests.graphs import random_codes

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SAMPLES = 20


def packed(codes: np.ndarray, width: int) -> int:
    """A sample as a bus, its first code in the lowest bits."""
    return sum((int(code) & ((1 << width) - 1)) << (width * place) for place, code in enumerate(codes))


@pytest.mark.slow
def test_naive_products_are_exact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    import emulated
    from star import star

    monkeypatch.setattr(emulated, "SIZES", (5, 6, 4, 3, 2))
    graph = emulated.mlp("small")
    codes, design = random_codes(graph, SAMPLES), star(graph)
    (expected,) = interpret(graph, codes)
    source, result = graph.values[graph.input.name], graph.values[graph.outputs[0]]
    bits = [value.size * value.format.width for value in (source, result)]
    copies = "".join(
        f"wire [{bits[1] - 1}:0] y{i};\n"
        f"star u_star{i} (.x_i({bits[0]}'h{packed(row, source.format.width):x}), .y_o(y{i}));\n"
        f'final $display("%h", y{i});\n'
        for i, row in enumerate(codes)
    )
    bench = f"module bench;\n{copies}initial $finish;\nendmodule\n"
    write_tree(tmp_path, {**design.sources, "bench.sv": bench})
    files = [*design.sources, "bench.sv"]
    command = ["verilator", "--binary", "--no-timing", "-Wno-fatal", "--top-module", "bench", *files]
    run(command, cwd=tmp_path, env=verilator_environment(), timeout=600)
    printed = run([tmp_path / "obj_dir" / "Vbench"], cwd=tmp_path)
    digits = -(-bits[1] // 4)
    found = [int(line, 16) for line in printed.splitlines() if re.fullmatch(f"[0-9a-f]{{{digits}}}", line)]
    assert found == [packed(row, result.format.width) for row in expected]
    assert len(found) == SAMPLES
