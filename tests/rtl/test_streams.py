"""Stream cells under Verilator and cocotb."""

from __future__ import annotations

import re
from pathlib import Path

from flow import resources
from flow.simulation.rtl_verilator import CocotbJob, run_cocotb
from tests.rtl.bench import cells

REPOSITORY = Path(__file__).parents[2]


def harness_sources() -> dict[str, str]:
    folder = resources.folder("rtl")
    order = sorted(folder.glob("*.sv"), key=lambda path: (path.stem != "flow_pkg", path.name))
    sources = {f"cells/{path.name}": path.read_text() for path in order}
    for name in cells.DENSE:
        sources.update(cells.dense_sources(name))
    return {**sources, "harness.sv": cells.harness()}


def test_every_stream_cell_with_pauses_on_both_sides(tmp_path):
    folder = run_cocotb(CocotbJob(harness_sources(), "harness", "tests.rtl.bench.cells_bench", (REPOSITORY,)), tmp_path)
    results = (folder / "results.xml").read_text()
    assert len(re.findall("<testcase", results)) == 4  # two shares of idle cycles, two of stalls
    assert "<failure" not in results
