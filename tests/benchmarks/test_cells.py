"""What benchmarks/cells.py keeps of a cell is found again by all that it depends on, and shown on the page."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from flow import resources
from flow.synthesis import Family

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
# What another cell's row holds, and the package.
PARTS = {
    "flow_pkg",
    "flow_accumulate",
    "flow_dot_pair",
    "flow_dot_sum",
    "flow_mul",
    "flow_mul_row",
    "flow_minifloat_unpack",
    "flow_uart_rx",
    "flow_uart_tx",
}


def test_every_cell_has_a_row(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    import cells

    shown = {cell.module for cell in cells.CELLS} - cells.OTHERS.keys()
    assert shown == {path.stem for path in resources.folder("rtl").glob("*.sv")} - PARTS
    written = (BENCHMARKS.parent / "docs" / "cells.md").read_text()
    assert [case for case in (cell.case for cell in cells.CELLS) if cells.named(case) not in written] == []


def test_each_cell_is_kept_by_a_key_of_its_own_and_has_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    import cells

    def measured(cell: cells.Cell, family: Family) -> list[cells.Row]:
        return [cells.Row(cell.case, family.value, 7, unit) for unit in ("LUT", "carry", "FF")]

    monkeypatch.setattr(cells, "rows_of", measured)
    kept, families = cells.Kept(tmp_path / "kept.jsonl"), list(cells.FAMILIES)
    work = [(cell, family) for cell in cells.CELLS for family in cells.measured_on(cell, families)]
    rows = [row for cell, family in work for row in kept.measured(cell, family)]
    dsps = [cell for cell, family in work if family is Family.XCUP]
    assert {cell.module for cell in dsps} == {"flow_mul_dsp", "flow_dot_dsp", "flow_dot_packed"}
    assert len(kept.rows) == len(work) == 2 * len(cells.CELLS) + len(dsps)
    assert cells.Kept(tmp_path / "kept.jsonl").rows == kept.rows
    lines = cells.page(rows, families, cells.CELLS[:1]).splitlines()
    assert sum(line.endswith("| 7 / 7 / 7 | 7 / 7 / 7 | 7 / 7 / 7 |  |") for line in lines) == len(dsps)
    assert sum(line.endswith("| 7 / 7 / 7 |  | 7 / 7 / 7 |  |") for line in lines) == len(cells.CELLS) - len(dsps)
    assert lines[-1].endswith(f" Not measured: `{cells.CELLS[0].case}`.")
