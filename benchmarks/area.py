"""LUTs of nets as shifts and additions: flow's spatial Verilog beside da4ml's and alkaid's own, same integers.

One Yosys recipe for all, flattened. flow's figure holds its AXI-Stream ports and registers; the peers' Verilog is
combinational, the smallest that they make. `--trained` compares one layer of `digits_mlp`, trained in the same way with
weights of several kinds, with that of plain weights of six bits.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import Row, arguments, publish
from emulated import MLPS
from emulation import HERE, ONE_THREAD, PEERS, constants, kif, layers

import flow
from flow.datasets import load
from flow.errors import FlowError
from flow.exporters.verilog.spatial import export_spatial
from flow.exporters.writer import write_file
from flow.ir import Dense, Graph
from flow.synthesis import Area, Family, synthesise
from flow.tools import run
from flow.training import NETS, accuracy, fit

FLOWS = {"flow": 0, "flow, a register every 4 additions": 4}
RIVALS = ("da4ml", "alkaid")
TIMEOUT = 3600.0
# Weights of the trained layer; the first are what the others are compared with.
KINDS: dict[str, dict[str, Any]] = {
    "6 bits": {"weights": "s6"},
    "6 bits, K=2": {"weights": "s6", "khot": 2},
    "4 bits, K=2": {"weights": "s4", "khot": 2},
    "3 bits, K=2": {"weights": "s3", "khot": 2},
    "6 bits, K=1": {"weights": "s6", "khot": 1},
}


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


def first_layer(graph: Graph) -> Graph:
    """What comes before the second dense layer."""
    stop = [place for place, node in enumerate(graph.nodes) if isinstance(node, Dense)][1]
    return Graph("fc1", graph.nodes[:stop], (graph.nodes[stop - 1].name,))


def trained() -> Iterator[tuple[str, float, Graph]]:
    """The net trained in floats once, and from there in the same way with weights of each kind: accuracy, design."""
    data = load("digits")
    torch.manual_seed(0)
    model, example = NETS["digits_mlp"](), torch.as_tensor(data.train_x[:256])
    fit(model, data.train, data.test, epochs=30, seed=0)
    for kind, options in KINDS.items():
        qmodel = flow.quantize(deepcopy(model), example, activations="u6", **options)
        fit(qmodel, data.train, data.test, epochs=15, seed=0)
        yield kind, 100 * accuracy(qmodel, data.test), flow.lower(qmodel, example)


def trained_rows(family: Family) -> list[Row]:
    """The first layer of each, the cast behind it and the ports included."""
    case, found, least = f"digits_mlp fc1, {family.value}", list[Row](), 0
    for kind, share, graph in trained():
        area = own(first_layer(graph), 0, family)
        least = least or area.lut
        found += [Row(case, kind, area.lut, "LUT", area.lut / least), Row(case, kind, area.dsp, "DSP")]
        found.append(Row(case, kind, share, "% of the test images"))
    return found


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--cases", nargs="*", default=["jets, half the weights 0"], choices=list(MLPS))
    parser.add_argument("--family", default="xc7", choices=[family.value for family in Family])
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--trained", action="store_true", help="the trained layer too")
    given = parser.parse_args()
    peers = not given.no_peers and PEERS.exists()
    found = [row for case in given.cases for row in rows(case, MLPS[case](), Family(given.family), peers)]
    if given.trained:
        found += trained_rows(Family(given.family))
    publish("Area as shifts and additions", found, ["alkaid", "pyosys", "qfx-flow"], given.json)


if __name__ == "__main__":
    main()
