"""LUTs of the jets' MLP as shifts and additions: flow's spatial Verilog beside da4ml's and alkaid's own, same integers.

One Yosys recipe for all, flattened. flow's figure holds its AXI-Stream ports and registers; the peers' Verilog is
combinational, the smallest that they make.
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import numpy as np
from common import Row, arguments, publish
from emulated import MLPS
from emulation import HERE, ONE_THREAD, PEERS, constants, kif, layers

from flow.errors import FlowError
from flow.exporters.verilog.spatial import export_spatial
from flow.exporters.writer import write_file
from flow.ir import Graph
from flow.synthesis import Area, Family, synthesise
from flow.tools import run

FLOWS = {"flow": 0, "flow, a register every 4 additions": 4}
RIVALS = ("da4ml", "alkaid")
TIMEOUT = 3600.0


def own(graph: Graph, depth: int, family: Family) -> Area:
    """flow's design, ports and registers included."""
    files = export_spatial(graph, depth)
    sources = {name: str(text) for name, text in files.items() if name.endswith(".sv")}
    return synthesise(sources, f"{graph.name}_top", family).area


def rival(library: str, graph: Graph, family: Family) -> Area:
    """A peer's Verilog of the same integers."""
    with tempfile.TemporaryDirectory(prefix="flow-") as name:
        folder = Path(name)
        np.savez(folder / "mlp.npz", **constants(graph))
        write_file(folder / "mlp.json", json.dumps({"input": kif(graph.input.format), "layers": layers(graph)}))
        command = [PEERS, HERE / "peers" / "adder_verilog.py", library, folder]
        top = json.loads(run(command, env={**os.environ, **ONE_THREAD}, timeout=TIMEOUT).splitlines()[-1])
        sources = {path.name: path.read_text() for path in sorted((folder / library / "src").rglob("*.v"))}
    sources.pop(f"{top}_wrapper.v", None)
    return synthesise(sources, top, family).area


def rows(case: str, graph: Graph, family: Family, peers: bool) -> list[Row]:
    found: dict[str, Area] = {who: own(graph, depth, family) for who, depth in FLOWS.items()}
    missing: dict[str, str] = {}
    for library in RIVALS if peers else ():
        try:
            found[library] = rival(library, graph, family)
        except FlowError as error:
            missing[library] = str(error).splitlines()[-1]
    least = found["flow"].lut
    made = [Row(f"{case}, {family.value}", who, area.lut, "LUT", area.lut / least) for who, area in found.items()]
    made += [
        Row(f"{case}, {family.value}", who, value, unit)
        for who, area in found.items()
        for unit, value in (("FF", area.ff), ("carry", area.carry), ("DSP", area.dsp))
    ]
    return made + [Row(case, f"{who}: {why}", float("nan"), "missing") for who, why in missing.items()]


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--cases", nargs="*", default=["jets, half the weights 0"], choices=list(MLPS))
    parser.add_argument("--family", default="xc7", choices=[family.value for family in Family])
    parser.add_argument("--no-peers", action="store_true")
    given = parser.parse_args()
    peers = not given.no_peers and PEERS.exists()
    found = [row for case in given.cases for row in rows(case, MLPS[case](), Family(given.family), peers)]
    publish("Area of the jets' MLP", found, ["alkaid", "pyosys", "qfx-flow"], given.json)


if __name__ == "__main__":
    main()
