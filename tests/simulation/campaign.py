"""Random graphs through interpreter, ONNX Runtime, C simulation, RTL: every node, every code, counted by operator.

python -m tests.simulation.campaign 17            # one graph: its text, and the least of it that still fails
python -m tests.simulation.campaign 0 300         # so many, fifty in one program
python -m tests.simulation.campaign 100 2000 --rungs rtl --kept rtl.txt    # goes on where it stopped
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from flow.errors import ExportError
from flow.exporters.hls import export_hls
from flow.exporters.onnx import export_onnx
from flow.exporters.verilog import export_verilog
from flow.exporters.writer import write_tree
from flow.ir import Graph, dump, load, trace
from flow.ir.text import to_text
from flow.simulation.compare import Mismatch, compare
from flow.simulation.onnxruntime import simulate_onnxruntime
from tests.graphs import random_codes
from tests.ir.growing import SHARING
from tests.ir.random_graphs import drawn
from tests.ir.shrink import shrunk
from tests.simulation.batches import simulate_together
from tests.simulation.streams import streamed

SAMPLES = 6
Codes = dict[str, np.ndarray]
Many = Callable[[Sequence[Graph], Sequence[np.ndarray], Path], list[Codes]]


def _interpreter(graphs: Sequence[Graph], codes: Sequence[np.ndarray], folder: Path) -> list[Codes]:
    """The stored graphs, read back."""
    return [trace(load(dump(graph)), inputs) for graph, inputs in zip(graphs, codes, strict=True)]


def _onnxruntime(graphs: Sequence[Graph], codes: Sequence[np.ndarray], folder: Path) -> list[Codes]:
    found = []
    for graph, inputs in zip(graphs, codes, strict=True):
        write_tree(folder / "onnx", export_onnx(graph))
        found.append(simulate_onnxruntime(graph, folder / "onnx", inputs))
    return found


def _csim(graphs: Sequence[Graph], codes: Sequence[np.ndarray], folder: Path) -> list[Codes]:
    return simulate_together(graphs, codes, folder)


@dataclass(frozen=True)
class Rung:
    """How graphs run, with a folder for their files; `exported` may refuse one of them."""

    run: Many
    exported: Callable[[Graph], object] = lambda graph: None


RUNGS = {
    "interpreter": Rung(_interpreter),
    "onnxruntime": Rung(_onnxruntime, export_onnx),
    "csim": Rung(_csim, export_hls),
}
# What takes longer, and so runs on fewer graphs.
SLOWER = {"rtl": Rung(streamed, export_verilog)}


@dataclass
class Tally:
    """What was compared.

    Attributes:
        graphs: by rung.
        codes: by operator and rung.
        refused: graphs that a rung's exporter refuses, by rung, with the reason.
        wrong: seed, rung and first mismatch of each graph that failed.
    """

    graphs: Counter[str] = field(default_factory=Counter)
    codes: Counter[tuple[str, str]] = field(default_factory=Counter)
    refused: list[tuple[int, str, str]] = field(default_factory=list)
    wrong: list[tuple[int, str, Mismatch]] = field(default_factory=list)

    def report(self) -> str:
        """The failures, each with the command that shows it."""
        lines = [f"{rung}: {first}; python -m tests.simulation.campaign {seed}" for seed, rung, first in self.wrong]
        return "\n".join(lines)


def inputs_of(graph: Graph, seed: int) -> np.ndarray:
    """All lowest, all highest, and random codes."""
    return random_codes(graph, SAMPLES, seed)


def _taken(rung: Rung, name: str, seeds: Sequence[int], tally: Tally) -> list[int]:
    taken = []
    for seed in seeds:
        try:
            rung.exported(drawn(seed))
            taken.append(seed)
        except ExportError as error:
            tally.refused.append((seed, name, str(error)))
    return taken


def campaign(seeds: Sequence[int], folder: Path, rungs: Sequence[str] | None = None) -> Tally:
    """Run the graphs of these seeds, in one program of the C simulation; those in one folder share its headers."""
    tally = Tally()
    for name in RUNGS if rungs is None else rungs:
        rung = {**RUNGS, **SLOWER}[name]
        taken = _taken(rung, name, seeds, tally)
        graphs = [drawn(seed) for seed in taken]
        codes = [inputs_of(graph, seed) for graph, seed in zip(graphs, taken, strict=True)]
        shown = rung.run(graphs, codes, folder / f"{name}-{seeds[0]}")
        for seed, graph, inputs, values in zip(taken, graphs, codes, shown, strict=True):
            found = compare(graph, trace(graph, inputs), values)
            assert found.values == len(inputs) * sum(value.size for value in graph.values.values())
            tally.graphs[name] += 1
            tally.codes.update({(operator, name): count for operator, count in found.operators.items()})
            if found.first is not None:
                tally.wrong.append((seed, name, found.first))
    return tally


def show(seed: int, folder: Path, rungs: Sequence[str] | None = None) -> str:
    """A graph as text, and for each rung that fails the least of it that still does."""
    graph = drawn(seed)
    lines = [to_text(graph)]
    for name in RUNGS if rungs is None else rungs:
        rung = {**RUNGS, **SLOWER}[name]

        def first(graph: Graph, codes: np.ndarray, rung: Rung = rung) -> Mismatch | None:
            with tempfile.TemporaryDirectory(dir=folder) as place:
                return compare(graph, trace(graph, codes), rung.run([graph], [codes], Path(place) / "one")[0]).first

        inputs = inputs_of(graph, seed)
        found = first(graph, inputs)
        lines.append(f"{name}: {found or 'equal'}")
        if found is not None:
            least, codes = shrunk(graph, inputs, first)
            lines.append(f"the least that fails, on {codes.tolist()}: {first(least, codes)}\n{to_text(least)}")
    return "\n".join(lines)


def _finished(kept: Path | None) -> set[str]:
    return (
        {line.split(":")[0] for line in kept.read_text().splitlines()} if kept is not None and kept.exists() else set()
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("seed", type=int)
    parser.add_argument("end", type=int, nargs="?")
    parser.add_argument("--rungs", nargs="*", default=list(RUNGS), choices=[*RUNGS, *SLOWER])
    parser.add_argument("--kept", type=Path, metavar="FILE", help="what is finished, so that a second run skips it")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        if given.end is None:
            print(show(given.seed, Path(name), given.rungs))  # noqa: T201
            return
        done = _finished(given.kept)
        for start in range(given.seed, given.end, SHARING):
            seeds = range(start, min(start + SHARING, given.end))
            key = f"{' '.join(given.rungs)} {seeds.start}-{seeds.stop - 1}"
            if key not in done:
                tally = campaign(seeds, Path(name), given.rungs)
                line = f"{key}: {dict(tally.graphs)} {tally.codes.total()} codes {tally.refused} {tally.report()}"
                print(line, flush=True)  # noqa: T201
                if given.kept is not None:
                    with given.kept.open("a") as file:
                        file.write(line.replace("\n", "; ") + "\n")


if __name__ == "__main__":
    main()
