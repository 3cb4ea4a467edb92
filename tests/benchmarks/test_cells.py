"""What benchmarks/cells.py keeps of a cell is found again by all that it depends on, and shown on the page."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from flow.synthesis import Family

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_each_cell_is_kept_by_a_key_of_its_own_and_has_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    import cells

    def measured(cell: cells.Cell, family: Family) -> list[cells.Row]:
        return [cells.Row(cell.case, family.value, 7, unit) for unit in ("LUT", "carry", "FF")]

    monkeypatch.setattr(cells, "rows_of", measured)
    kept, families = cells.Kept(tmp_path / "kept.jsonl"), [Family.XC7, Family.ECP5]
    rows = [row for cell in cells.CELLS for family in families for row in kept.measured(cell, family)]
    assert len(kept.rows) == len(families) * len(cells.CELLS)
    assert cells.Kept(tmp_path / "kept.jsonl").rows == kept.rows
    lines = cells.page(rows, families, cells.CELLS[:1]).splitlines()
    assert sum(line.endswith("| 7 / 7 / 7 | 7 / 7 / 7 |  |") for line in lines) == len(cells.CELLS)
    assert lines[-1].endswith(f" Not measured: `{cells.CELLS[0].case}`.")
