"""The error table: estimate against synthesis for designs from 100 to 6,000 LUTs on both families.

`python -m tests.estimation.error_table [DESIGN ...]` measures the named designs anew (`all`: ten minutes), estimates
every one, and writes `errors.json`; the tests hold all estimates, and the measurement of a small design, to it.
"""

import json
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from flow.estimation import estimate, load_board, measure
from flow.exporters.verilog import export_architecture
from flow.exporters.writer import write_file, write_tree
from tests.estimation.error_designs import DESIGNS, OPTIONS

TABLE = Path(__file__).parent / "errors.json"
BOARDS = ("ultra96_v2", "pynq_z2")
RESOURCES = ("lut", "ff", "dsp", "bram")


def estimated(design: str, board: str) -> dict[str, Any]:
    """Resources and cycles by the estimate."""
    cost = estimate(DESIGNS[design](), load_board(board), **OPTIONS.get(design, {}))
    return {**cost.total.to_json(), "latency_cycles": cost.latency_cycles, "ii_cycles": cost.ii_cycles}


def measured(design: str, board: str) -> dict[str, Any]:
    """Resources of the whole design, flat, by synthesis."""
    graph = DESIGNS[design]()
    with tempfile.TemporaryDirectory(prefix="flow-") as folder:
        write_tree(Path(folder) / "rtl", export_architecture(graph, **OPTIONS.get(design, {})))
        found = measure(graph, Path(folder) / "rtl", load_board(board), layers=False)
    return {"tool": found.tool, **{key: found.total.to_json()[key] for key in RESOURCES}}


def row(design: str, board: str, truth: dict[str, Any]) -> dict[str, Any]:
    """One line of the table, errors in percent of the measurement."""
    guess = estimated(design, board)
    errors = {key: round(100 * (guess[key] - truth[key]) / truth[key], 1) for key in RESOURCES if truth[key]}
    return {"design": design, "board": board, "estimated": guess, "measured": truth, "error_percent": errors}


def read_table() -> list[dict[str, Any]]:
    """The stored rows."""
    return json.loads(TABLE.read_text())


def main(designs: Iterable[str]) -> None:
    """Measure the named designs, and estimate all of them anew."""
    stored = {(old["design"], old["board"]): old["measured"] for old in read_table()} if TABLE.is_file() else {}
    truths = {**stored, **{(design, board): measured(design, board) for design in designs for board in BOARDS}}
    rows = [row(design, board, truths[design, board]) for design in DESIGNS for board in BOARDS]
    write_file(TABLE, "[\n" + ",\n".join(json.dumps(entry) for entry in rows) + "\n]\n")
    for entry in rows:
        luts = f"{entry['estimated']['lut']:6} {entry['measured']['lut']:6}"
        sys.stdout.write(f"{entry['design']:16} {entry['board']:11} {luts} {entry['error_percent']}\n")


if __name__ == "__main__":
    main(list(DESIGNS) if sys.argv[1:] == ["all"] else sys.argv[1:])
