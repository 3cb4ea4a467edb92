"""Whole designs that no fit has seen against synthesis and against the clock of a simulation.

`python -m tests.estimation.held_out [COUNT]` measures what `held_out.json` lacks of the first COUNT designs or has of
another text, stores each when it is done, and stores and prints the errors.
"""

import json
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from flow.estimation import estimate, load_board
from flow.estimation.characterise import text_digest
from flow.exporters.verilog import METADATA, export_architecture
from flow.exporters.writer import Files, write_file, write_tree
from flow.ir import trace
from flow.simulation.compare import compare
from flow.simulation.rtl_beats import read_project
from flow.simulation.rtl_program import Pauses, stream_programs
from flow.simulation.rtl_verilator import verilator_version
from flow.synthesis import CARRY_LUTS, recipe, synthesise, tool
from tests.estimation.held_out_designs import BOARDS, COUNT, KINDS, design, kind_of, part_of
from tests.graphs import random_codes
from tests.simulation.hardware import cycles_seen

TABLE = Path(__file__).parent / "held_out.json"
SMALLEST = 50
RESOURCES = ("lut", "ff", "dsp", "bram")
GROUPS = {
    "stream": ("stream mlp", "stream conv"),
    "spatial mlp": ("spatial mlp",),
    "spatial conv": ("spatial conv",),
    "dsp, block": KINDS[4:],
    "lut4 stream": ("lut4 stream mlp", "lut4 stream conv"),
    "lut4 spatial": ("lut4 spatial mlp", "lut4 spatial conv"),
}
CYCLES = ("ii_cycles", "latency_cycles")
SAMPLES = 10  # of a simulation; the interval is that of the last two
_TOGETHER = 8  # designs in one program


@cache
def exported(number: int) -> Files:
    """The text of a design."""
    graph, options, _ = design(number)
    return export_architecture(graph, **options)


def sources(number: int) -> dict[str, str]:
    """SystemVerilog of a design by file name, in compile order."""
    files = exported(number)
    return {name: str(files[name]) for name in str(files["filelist.f"]).split() if name.endswith(".sv")}


def digest(number: int) -> str:
    """What tells the text of a design from that of another, whatever its comments say."""
    return text_digest(list(sources(number).values()), {})


def measured(number: int) -> dict[str, Any]:
    """Resources of a whole design by synthesis."""
    top = json.loads(str(exported(number)[METADATA]))["top"]
    area = synthesise(sources(number), top, load_board(design(number)[2]).family).area
    return {name: getattr(area, name) for name in (*RESOURCES, "carry")}


def simulated(numbers: Sequence[int]) -> dict[int, dict[str, int]]:
    """Cycles of designs by the clock of one simulation in which nobody pauses, every code as the interpreter's."""
    with tempfile.TemporaryDirectory(prefix="flow_") as place:
        projects, codes = [], []
        for number in numbers:
            graph = design(number)[0]
            write_tree(Path(place) / graph.name, exported(number))
            projects.append(read_project(graph, Path(place) / graph.name))
            codes.append(random_codes(graph, SAMPLES))
        runs = stream_programs(projects, codes, 0, Path(place), pauses=Pauses.NONE)
    found = {}
    for number, project, inputs, run in zip(numbers, projects, codes, runs, strict=True):
        graph = design(number)[0]
        assert compare(graph, trace(graph, inputs), run.codes).mismatches == 0, graph.name
        found[number] = dict(zip(CYCLES, cycles_seen(project, run), strict=True))
    return found


@cache
def estimated(number: int) -> dict[str, Any]:
    """The same by the model."""
    graph, options, board = design(number)
    cost = estimate(graph, load_board(board), **options)
    return {**cost.total.to_json(), "latency_cycles": cost.latency_cycles, "ii_cycles": cost.ii_cycles}


def read_table() -> dict[str, Any]:
    """Measured areas and cycles by the number of the design, with tools, recipe, and the errors when last written."""
    recipes = {board: list(recipe(load_board(board).family)) for board in BOARDS}
    empty = {"tool": tool(), "simulator": verilator_version(), "recipe": recipes, "errors": {}, "measured": {}}
    stored = json.loads(TABLE.read_text()) if TABLE.is_file() else empty
    kept = all(stored.get(key) == empty[key] for key in ("tool", "simulator", "recipe"))
    return stored if kept else empty


def write_table(table: dict[str, Any]) -> None:
    """One design a line, under the errors."""
    head = json.dumps({key: value for key, value in table.items() if key != "measured"}, indent=1)
    rows = sorted(table["measured"].items(), key=lambda entry: int(entry[0]))
    listed = ",\n".join(f'  "{number}": {json.dumps(area)}' for number, area in rows)
    write_file(TABLE, f'{head.removesuffix("}").rstrip()},\n "measured": {{\n{listed}\n }}\n}}\n')


def taken(figures: dict[str, Any], number: str, resource: str) -> int:
    """Of LUTs, the places that they and the carry cells take."""
    family = load_board(part_of(int(number)).board(int(number))).family
    return figures[resource] + (CARRY_LUTS.get(family, 0) * figures["carry"] if resource == "lut" else 0)


def errors(table: dict[str, Any], kinds: Sequence[str], resource: str = "lut") -> np.ndarray:
    """Signed errors in percent of every measured design of some kinds; those of fewer than 50 as if they had 50."""
    pairs = [
        (taken(estimated(int(number)), number, resource), taken(area, number, resource))
        for number, area in table["measured"].items()
        if kind_of(int(number)) in kinds
    ]
    return np.array([100 * (guess - truth) / max(truth, SMALLEST) for guess, truth in pairs])


def summary(found: np.ndarray) -> dict[str, float]:
    """How many designs, and median, 90th percentile and largest of their errors' sizes, and the bias, in percent."""
    size = np.abs(found)
    figures = {"median": np.median(size), "p90": np.quantile(size, 0.9), "max": size.max(), "bias": found.mean()}
    return {"designs": len(found), **{key: round(float(value), 1) + 0.0 for key, value in figures.items()}}


def summaries(table: dict[str, Any]) -> dict[str, dict[str, dict[str, float]]]:
    """The summary of every group of kinds that was measured, by resource."""
    found = {(key, name): errors(table, kinds, key) for key in RESOURCES for name, kinds in GROUPS.items()}
    return {key: {name: summary(found[key, name]) for name in GROUPS if found[key, name].size} for key in RESOURCES}


def _keep(number: int, row: dict[str, Any]) -> None:
    table = read_table()
    table["measured"][str(number)] = row
    write_table(table)


def complete(numbers: Sequence[int]) -> dict[str, Any]:
    """Measure what is missing or of another text; another process may measure other designs meanwhile."""
    for number in numbers:
        if read_table()["measured"].get(str(number), {}).get("digest") != digest(number):
            _keep(number, {"digest": digest(number), **measured(number)})
    rows = read_table()["measured"]
    missing = [number for number in numbers if CYCLES[0] not in rows[str(number)]]
    for first in range(0, len(missing), _TOGETHER):
        for number, cycles in simulated(missing[first : first + _TOGETHER]).items():
            _keep(number, {**rows[str(number)], **cycles})
    return read_table()


def main(count: int) -> None:
    """Measure what is missing, then say how far the estimates are."""
    table = complete(range(count))
    for number in range(count):
        area, guess = table["measured"][str(number)], estimated(number)
        rest = " ".join(f"{key.split('_')[0]} {guess[key]}/{area[key]}" for key in ("ff", "dsp", "bram", *CYCLES))
        error = 100 * (guess["lut"] / area["lut"] - 1)
        sys.stdout.write(f"{number:3} {kind_of(number):13} {guess['lut']:6} {area['lut']:6} {error:+6.1f} %  {rest}\n")
        sys.stdout.flush()
    table["errors"] = summaries(table)
    write_table(table)
    for resource, groups in table["errors"].items():
        for name, figures in groups.items():
            sys.stdout.write(f"{resource:4} {name:12} {figures}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else COUNT)
