"""The built-in nets at full size as RTL and as netlists: on how many samples, equal or not, in how many cycles.

    python -m tests.simulation.hardware --page docs/hardware.md    # runs what has no line there, and writes it there
    python -m tests.simulation.hardware --nets digits_mlp --ways cocotb netlist --architectures spatial  # keeps nothing

`cocotb` drives as many samples as take it half a minute with random pauses, through layers folded less than by default;
`program` all of them, with random pauses and without any; `netlist` the first sixteen. Exit status 1 on any mismatch,
and on any cycle not predicted. What has changed runs again once its line is taken out of the page.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from flow.exporters.verilog import alive, choose_folding, export_architecture, folding_range
from flow.exporters.writer import write_file, write_tree
from flow.ir import Graph, trace
from flow.simulation.compare import compare
from flow.simulation.netlist import simulate_netlist
from flow.simulation.rtl import run_streams
from flow.simulation.rtl_beats import Project, StreamRun, read_project
from flow.simulation.rtl_program import Pauses, stream_program
from flow.studies.rows import machine
from flow.synthesis import tool
from tests.full_nets import FULL, full_design
from tests.nets import Design

COCOTB_CYCLES = 256_000  # half a minute with a monitor on every stream; 500 samples of most nets
COCOTB_INTERVAL = 512  # cycles a sample, where a design can be that fast
COCOTB_SAMPLES = 600
NETLIST_SAMPLES = 16
# Samples of a net; of the others, as many as the digits have.
VECTORS = {"jet_mlp": 10_000, "glyph_lenet": 64}
DIGITS = 360
# The others take hundreds of thousands of LUTs as shifts and additions.
SPATIAL = ("digits_mlp", "jet_mlp", "digits_conv1d", "digits_branches", "digits_autoencoder")
COLUMNS = ("net", "architecture", "way", "samples", "codes", "mismatches", "interval", "latency", "CPU s")
PAGE = """# Nets at full size as hardware

`python -m tests.simulation.hardware --page docs/hardware.md` writes this page: the built-in nets, six bits everywhere,
as SystemVerilog and as netlists of {tool} for xc7, under Verilator. Codes are compared with the interpreter's: with
cocotb (`cocotb`, random pauses, layers folded less) and in a program (`program`, all samples with random pauses and
once more without) those of every stream, in a netlist (`netlist`, random pauses) those of the outputs. Interval and
latency are cycles a sample and of the first one, predicted, and `=` as simulated where nobody paused. CPU seconds are
those of building and running, of a netlist those of its synthesis too.

| {columns} |
|{lines}
{rows}"""


@dataclass(frozen=True)
class Ran:
    """One net one way.

    Attributes:
        net, architecture, way: what ran and how.
        vectors: samples.
        codes: compared with the interpreter's, and how many of them differ.
        predicted, seen: cycles a sample, and of the first from its first beat in to its last out.
        seconds: of processor time, exporting left out.
    """

    net: str
    architecture: str
    way: str
    vectors: int
    codes: int
    mismatches: int
    predicted: tuple[int, int]
    seen: tuple[int, int] | None
    seconds: float

    @property
    def passed(self) -> bool:
        """Equal codes, something compared, and in the predicted cycles where they were counted."""
        return self.codes > 0 and self.mismatches == 0 and (self.seen is None or self.seen == self.predicted)


def cycles_seen(project: Project, run: StreamRun) -> tuple[int, int]:
    """Cycles between the last two samples and of the first one, where nobody paused."""
    ends = [run.cycles[port][project.streams[name].beats - 1 :: project.streams[name].beats]
            for name, port in project.outputs.items()]  # fmt: skip
    return max(end[-1] - end[-2] for end in ends), max(end[0] for end in ends) - run.cycles["s_axis"][0]


@dataclass(frozen=True)
class Bench:
    """A design with its files, and where to build."""

    made: Design
    folder: Path

    @property
    def project(self) -> Project:
        return read_project(self.made.graph, self.folder / "rtl")

    def compared(self, shown: Mapping[str, np.ndarray], vectors: int) -> tuple[int, int]:
        """Codes compared, and how many differ."""
        graph = self.made.graph
        found = compare(graph, trace(graph, self.made.codes[:vectors]), shown)
        assert found.values == sum(values.size for values in shown.values())
        return found.values, found.mismatches


Way = Callable[[Bench], tuple[int, int, int, tuple[int, int] | None]]  # vectors, codes, mismatches, cycles


def by_cocotb(bench: Bench) -> tuple[int, int, int, None]:
    count = min(COCOTB_SAMPLES, max(2, COCOTB_CYCLES // bench.project.ii_cycles), len(bench.made.codes))
    run = run_streams(bench.made.graph, bench.folder / "rtl", bench.made.codes[:count], scratch=bench.folder / "cocotb")
    return count, *bench.compared(run.codes, count), None


def by_program(bench: Bench) -> tuple[int, int, int, tuple[int, int]]:
    """With pauses, and once more without."""
    project, codes = bench.project, bench.made.codes
    values, wrong, cycles = 0, 0, (0, 0)
    for pauses in (Pauses.SOME, Pauses.NONE):
        run = stream_program(project, codes, 0, bench.folder / "program", pauses=pauses, runs_long=True)
        more, missed = bench.compared(run.codes, len(codes))
        values, wrong = values + more, wrong + missed
        if pauses is Pauses.NONE:
            cycles = cycles_seen(project, run)
    return 2 * len(codes), values, wrong, cycles


def by_netlist(bench: Bench) -> tuple[int, int, int, None]:
    codes = bench.made.codes[:NETLIST_SAMPLES]
    shown = simulate_netlist(bench.made.graph, bench.folder / "rtl", codes)
    return len(codes), *bench.compared(shown, len(codes)), None


WAYS: dict[str, Way] = {"cocotb": by_cocotb, "program": by_program, "netlist": by_netlist}


def computed() -> float:
    """Seconds of processor time of this process and of its finished children."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def options_of(graph: Graph, architecture: str, way: str) -> dict[str, Any]:
    """Of the exporter: cocotb gets designs that take few cycles a sample, so that it drives many."""
    if architecture == "spatial" or way != "cocotb":
        return {}
    target = max(COCOTB_INTERVAL, folding_range(alive(graph))[0])
    return {"folding": {name: (fold.pe, fold.simd) for name, fold in choose_folding(alive(graph), target).items()}}


def ran(name: str, made: Design, architecture: str, way: str) -> Ran:
    """Export a net and run it one way."""
    options = options_of(made.graph, architecture, way)
    with tempfile.TemporaryDirectory(prefix="flow_") as folder:
        write_tree(Path(folder) / "rtl", export_architecture(made.graph, architecture, **options))
        bench, start = Bench(made, Path(folder)), computed()
        project = bench.project
        vectors, codes, mismatches, cycles = WAYS[way](bench)
        predicted = (project.ii_cycles, project.latency_cycles)
        return Ran(name, architecture, way, vectors, codes, mismatches, predicted, cycles, round(computed() - start, 1))


def of_net(name: str) -> Design:
    """A net with all of its samples."""
    return full_design(name, VECTORS.get(name, DIGITS))


def cells_of(row: Ran) -> tuple[str, ...]:
    """One line of the table."""
    pairs = zip(row.predicted, row.seen or (0, 0), strict=True)
    times = [f"{predicted:,}" + (f" = {seen:,}" if seen else "") for predicted, seen in pairs]
    counts = (f"{row.vectors:,}", f"{row.codes:,}", f"{row.mismatches:,}")
    return row.net, row.architecture, row.way, *counts, *times, f"{row.seconds:.0f}"


def table(rows: list[Ran]) -> Table:
    """One line a run."""
    shown = Table(*COLUMNS, caption=machine())
    for row in rows:
        shown.add_row(*cells_of(row))
    return shown


def page(rows: list[Ran]) -> str:
    """The table as Markdown, nets in the order of `FULL`."""
    order = [list(FULL), ["stream", "spatial"], list(WAYS)]
    ranked = sorted(
        rows, key=lambda row: [names.index(each) for names, each in zip(order, cells_of(row), strict=False)]
    )
    lines = "".join(f"| {' | '.join(cells_of(row))} |\n" for row in ranked)
    return PAGE.format(tool=tool(), columns=" | ".join(COLUMNS), lines="---|" * len(COLUMNS), rows=lines)


def _numbers(cell: str) -> list[int]:
    return [int(number.replace(",", "")) for number in cell.split(" = ")]


def row_of(line: str) -> Ran:
    """The run that a line of the page stands for; its seconds are whole ones."""
    net, architecture, way, *cells = line.strip("| \n").split(" | ")
    (vectors,), (codes,), (mismatches,), interval, latency, (seconds,) = map(_numbers, cells)
    predicted, *seen = zip(interval, latency, strict=True)
    return Ran(net, architecture, way, vectors, codes, mismatches, predicted, seen[0] if seen else None, seconds)


def rows_of(text: str) -> list[Ran]:
    """The runs of a page."""
    lines = text.splitlines()
    return [row_of(line) for line in lines if line.startswith("| ") and line != f"| {' | '.join(COLUMNS)} |"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nets", nargs="+", default=list(FULL), choices=list(FULL))
    parser.add_argument("--architectures", nargs="+", default=["stream", "spatial"], choices=["stream", "spatial"])
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--page", type=Path, metavar="FILE", help="what has run, and where each line is added")
    given = parser.parse_args()
    rows = rows_of(given.page.read_text()) if given.page is not None and given.page.exists() else []
    done = {(row.net, row.architecture, row.way) for row in rows}
    for name in given.nets:
        wanted = [(name, each, way) for each in given.architectures for way in given.ways]
        missing = [key for key in wanted if key not in done and (key[1] == "stream" or name in SPATIAL)]
        made = of_net(name) if missing else None
        for _, architecture, way in missing:
            assert made is not None
            rows.append(ran(name, made, architecture, way))
            print(rows[-1], flush=True)  # noqa: T201
            if given.page is not None:
                write_file(given.page, page(rows))
    Console(width=140).print(table(rows))
    return int(not all(row.passed for row in rows))


if __name__ == "__main__":
    sys.exit(main())
