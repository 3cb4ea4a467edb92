"""The error table: estimate against synthesis for designs from 100 to 6,000 LUTs on both families.

`python -m tests.estimation.error_table [DESIGN ...]` measures the named designs anew (`all`: ten minutes), estimates
every one, and writes `errors.json`; the tests hold all estimates, and the measurement of a small design, to it.
"""

import json
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from flow.estimation import estimate, load_board, measure
from flow.exporters.verilog import export_verilog
from flow.exporters.writer import write_file, write_tree
from flow.formats import Rounding
from flow.ir import ArgMax, Dense, Graph, Input, Relu, Requantize
from tests.graphs import fmt, mlp_graph, random_tensor

TABLE = Path(__file__).parent / "errors.json"
BOARDS = ("ultra96_v2", "pynq_z2")
RESOURCES = ("lut", "ff", "dsp", "bram")


def classifier(seed: int = 1) -> Graph:
    """Four-bit codes, signed and unsigned, one cast that truncates, an index at the end."""
    rng = np.random.default_rng(seed)
    nodes = (
        Input(name="x", shape=(24,), format=fmt("s4.3")),
        Dense(
            name="a", inputs=("x",), weight=random_tensor(rng, (12, 24), "s4.3"), bias=random_tensor(rng, (12,), "s4.3")
        ),
        Requantize(name="a.out", inputs=("a",), format=fmt("s4.1"), rounding=Rounding.TRN),
        Dense(name="b", inputs=("a.out",), weight=random_tensor(rng, (12, 12), "s4.3")),
        Relu(name="b.relu", inputs=("b",)),
        Requantize(name="b.out", inputs=("b.relu",), format=fmt("u4.1")),
        Dense(name="c", inputs=("b.out",), weight=random_tensor(rng, (6, 12), "s4.3")),
        ArgMax(name="class", inputs=("c",)),
    )
    return Graph("classifier", nodes, ("class",))


def forked(seed: int = 2) -> Graph:
    """One stream with two readers and two outputs."""
    rng = np.random.default_rng(seed)
    nodes = (
        Input(name="x", shape=(16,), format=fmt("u5.4")),
        Dense(name="a", inputs=("x",), weight=random_tensor(rng, (8, 16), "s5.4")),
        Relu(name="a.relu", inputs=("a",)),
        Requantize(name="a.out", inputs=("a.relu",), format=fmt("u5.2")),
        Dense(name="b", inputs=("a.out",), weight=random_tensor(rng, (4, 8), "s5.4")),
        Dense(name="c", inputs=("a.out",), weight=random_tensor(rng, (2, 8), "s5.4")),
    )
    return Graph("forked", nodes, ("b", "c"))


DESIGNS: dict[str, Callable[[], Graph]] = {
    "mlp_16_8_4": lambda: mlp_graph(sizes=(16, 8, 4)),
    "mlp_32_16_10": lambda: mlp_graph(sizes=(32, 16, 10)),
    "classifier": classifier,
    "forked": forked,
    "mlp_64_32_32_10": mlp_graph,
}


def estimated(design: str, board: str) -> dict[str, Any]:
    """Resources and cycles by the estimate."""
    cost = estimate(DESIGNS[design](), load_board(board))
    return {**cost.total.to_json(), "latency_cycles": cost.latency_cycles, "ii_cycles": cost.ii_cycles}


def measured(design: str, board: str) -> dict[str, Any]:
    """Resources of the whole design, flat, by synthesis."""
    graph = DESIGNS[design]()
    with tempfile.TemporaryDirectory(prefix="flow-") as folder:
        write_tree(Path(folder) / "rtl", export_verilog(graph))
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
