"""LUTs of nets as shifts and additions: flow's spatial Verilog beside da4ml's and alkaid's own, same integers.

One Yosys recipe for all, flattened. flow's figure holds its AXI-Stream ports and registers; the peers' Verilog is
combinational, the smallest that they make. `--trained` compares one layer of `digits_mlp`, trained for as long with
weights of several kinds, with that of plain weights of six bits; where digits have a price, training ends at half of
the adder bits that it began with. `--dsp` gives flow's design so many DSPs at most, for products that save LUTs.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import Row, arguments, publish
from emulated import MLPS, mlp
from emulation import HERE, ONE_THREAD, PEERS, constants, kif, layers
from star import star
from synthesised import TIMEOUT, Design, Figures, measured

import flow
from flow.datasets import load
from flow.errors import FlowError
from flow.exporters.verilog.spatial import export_spatial
from flow.exporters.writer import write_file
from flow.formats import Overflow, Rounding
from flow.ir import Dense, Graph
from flow.synthesis import Family
from flow.tools import run
from flow.training import NETS, Pricing, SpatialCost, accuracy, fit

UNITS: dict[str, Callable[[Figures], float]] = {
    "LUT": lambda figures: figures.area.lut,
    "FF": lambda figures: figures.area.ff,
    "carry": lambda figures: figures.area.carry,
    "inverter": lambda figures: figures.area.inverter,
    "DSP": lambda figures: figures.area.dsp,
    "s of Yosys, CPU": lambda figures: figures.seconds,
}
# Weights of the trained layer; the first are what the others are compared with.
KINDS: dict[str, dict[str, Any]] = {
    "6 bits": {"weights": "s6"},
    "6 bits, K=2": {"weights": "s6", "khot": 2},
    "4 bits, K=2": {"weights": "s4", "khot": 2},
    "3 bits, K=2": {"weights": "s3", "khot": 2},
    "6 bits, K=1": {"weights": "s6", "khot": 1},
    "6 bits, K=2, priced": {"weights": "s6", "khot": 2, "priced": True},
    "6 bits, priced": {"weights": "s6", "priced": True},
}
# Random constants in place of trained ones, none of them pruned.
DIGITS = (64, 32, 10)
FOUR, SIX = (("u4.1", Rounding.RND, Overflow.SAT), ("u6.2", Rounding.RND, Overflow.SAT))
KEPT = 0.5  # of the adder bits, where digits have a price


def own(graph: Graph, depth: int, dsp: int = 0, adder: bool = False) -> Design:
    """flow's design, ports and registers included."""
    files = export_spatial(graph, depth, dsp, adder)
    return Design({name: str(text) for name, text in files.items() if name.endswith(".sv")}, f"{graph.name}_top")


def rival(library: str, graph: Graph) -> Design:
    """A peer's Verilog of the same integers.

    Raises:
        FlowError: the peer is not there, or does not make it.
    """
    with tempfile.TemporaryDirectory(prefix="flow-") as name:
        folder = Path(name)
        np.savez(folder / "mlp.npz", **constants(graph))
        write_file(folder / "mlp.json", json.dumps({"input": kif(graph.input.format), "layers": layers(graph)}))
        command = [PEERS, HERE / "peers" / "adder_verilog.py", library, folder]
        top = json.loads(run(command, env={**os.environ, **ONE_THREAD}, timeout=TIMEOUT).splitlines()[-1])
        sources = {path.name: path.read_text() for path in sorted((folder / library / "src").rglob("*.v"))}
    sources.pop(f"{top}_wrapper.v", None)
    return Design(sources, top)


# Who, how its design is made, and whether Yosys flattens it.
CONTENDERS: dict[str, tuple[Callable[[Graph], Design], bool]] = {
    "flow": (partial(own, depth=0), True),
    "flow, hierarchical": (partial(own, depth=0), False),
    "da4ml": (partial(rival, "da4ml"), True),
    "alkaid": (partial(rival, "alkaid"), True),
    "flow, a register every 4 additions": (partial(own, depth=4), True),
    "naive *": (star, True),
}


CASES = {
    **MLPS,
    "digits, 4 bits": partial(mlp, "digits4", source="u4.3", weights=("s4.3",) * 4, casts=(FOUR,) * 3, sizes=DIGITS),
    "digits, 6 bits": partial(mlp, "digits6", source="u6.5", casts=(SIX,) * 3, sizes=DIGITS),
}


def contenders(whom: Sequence[str], counts: Sequence[int], family: Family) -> dict[str, tuple[Any, bool]]:
    """Those that are asked for, and flow with so many DSPs."""
    adder = family is Family.XC7  # Yosys puts the addition behind a product into no other DSP
    dsps = {f"flow, {count} DSPs at most": (partial(own, depth=0, dsp=count, adder=adder), True) for count in counts}
    return {**{who: CONTENDERS[who] for who in whom}, **dsps}


def saved(found: dict[str, Figures]) -> Iterator[tuple[str, float]]:
    """LUTs that a DSP of flow's designs saves, against the one without any."""
    base = found["flow"].area if "flow" in found else None
    for who, figures in found.items():
        if base and figures.area.dsp:
            yield who, (base.lut - figures.area.lut) / figures.area.dsp


def rows(case: str, graph: Graph, family: Family, whom: dict[str, tuple[Any, bool]], kept: Path | None) -> list[Row]:
    case, found, missing = f"{case}, {family.value}", dict[str, Figures](), list[Row]()
    for who, (make, flatten) in whom.items():
        try:
            found[who] = measured(make(graph), family, flatten, kept)
        except FlowError as error:
            missing.append(Row(case, f"{who}: {str(error).splitlines()[-1]}", float("nan"), "missing"))
            continue
        print(f"{case}, {who}: {found[who]}", flush=True)
    base = found.get("flow")
    made = missing
    for unit, value in UNITS.items():
        values = {who: value(figures) for who, figures in found.items()}
        least = value(base) if base else 0
        made += [Row(case, who, each, unit, each / least if least else None) for who, each in values.items()]
    return made + [Row(case, who, each, "LUT saved by a DSP") for who, each in saved(found)]


def first_layer(graph: Graph) -> Graph:
    """What comes before the second dense layer."""
    stop = [place for place, node in enumerate(graph.nodes) if isinstance(node, Dense)][1]
    return Graph("fc1", graph.nodes[:stop], (graph.nodes[stop - 1].name,))


def trained(kinds: Sequence[str]) -> Iterator[tuple[str, float, Graph]]:
    """The net trained in floats once, and from there in the same way with weights of each kind: accuracy, design."""
    data = load("digits")
    torch.manual_seed(0)
    model, example = NETS["digits_mlp"](), torch.as_tensor(data.train_x[:256])
    fit(model, data.train, data.test, epochs=30, seed=0)
    for kind in kinds:
        qmodel = flow.quantize(deepcopy(model), example, activations="u6", **KINDS[kind])
        pricing = Pricing(KEPT * float(SpatialCost(qmodel)().detach())) if "priced" in KINDS[kind] else None
        fit(qmodel, data.train, data.test, epochs=15, seed=0, pricing=pricing)
        yield kind, 100 * accuracy(qmodel, data.test), flow.lower(qmodel, example)


def trained_rows(family: Family, kinds: Sequence[str], kept: Path | None) -> list[Row]:
    """The first layer of each, the cast behind it and the ports included."""
    case, found, least = f"digits_mlp fc1, {family.value}", list[Row](), 0
    for kind, share, graph in trained(kinds):
        area = measured(own(first_layer(graph), 0), family, True, kept).area
        print(f"{case}, {kind}: {area}, {share:.2f} % of the test images", flush=True)
        least = least or area.lut
        found += [Row(case, kind, area.lut, "LUT", area.lut / least), Row(case, kind, area.dsp, "DSP")]
        found.append(Row(case, kind, share, "% of the test images"))
    return found


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--cases", nargs="*", default=["jets, half the weights 0", "jets"], choices=list(CASES))
    parser.add_argument("--family", default="xc7", choices=[family.value for family in Family])
    parser.add_argument("--whom", nargs="*", default=list(CONTENDERS), choices=list(CONTENDERS))
    parser.add_argument("--dsp", nargs="*", default=[], type=int, help="flow with at most so many DSPs, too")
    parser.add_argument("--kept", type=Path, metavar="FOLDER", help="figures by what was synthesised; a run resumes")
    parser.add_argument("--trained", nargs="*", choices=list(KINDS), help="the trained layer too, of some kinds")
    given = parser.parse_args()
    family, kept = Family(given.family), given.kept
    whom = contenders(given.whom, given.dsp, family)
    found = [row for case in given.cases for row in rows(case, CASES[case](), family, whom, kept)]
    if given.trained is not None:
        found += trained_rows(family, given.trained or list(KINDS), kept)
    publish("Area as shifts and additions", found, ["alkaid", "pyosys", "qfx-flow"], given.json)


if __name__ == "__main__":
    main()
