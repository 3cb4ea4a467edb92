"""Accuracy against LUTs on the digits: flow's budget-aware training beside HGQ2 with alkaid's and da4ml's Verilog.

The same net (64-32-32-10), split and Yosys recipe for all, and about the same processor time of training, which is
shown; the peers' Verilog is combinational, the smallest that they make, flow's has its AXI-Stream ports and registers.
Accuracy is that of the very design on the 360 test samples, nothing is chosen by it. Finished points are kept in
--folder and not computed again, so that several processes may share the seeds.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from common import Row, arguments, publish
from emulation import HERE, ONE_THREAD, PEERS

from flow.datasets import load
from flow.exporters.writer import write_file
from flow.progress import silent
from flow.recipe import Recipe, Training
from flow.stages.train import train_stage
from flow.synthesis import Family, synthesise, tool
from flow.tools import run

SIZES = (64, 32, 32, 10)
SECONDS = 30.0  # of HGQ2's processor time; flow's epochs take about as much, float training included
TRAINING = Training(float_epochs=30, epochs=150, batch=64, lr=3e-3, taught=True)
QUANTIZE = {"activations": "u2", "input": "u2"}  # where learned lengths start
BETAS = (3e-5, 1e-4, 3e-4)
BUDGETS = (1000, 1500, 2500, 4000)
LIBRARIES = ("alkaid", "da4ml")
FAMILY = Family.XCUP  # that of the board
BOARD = "ultra96_v2"
TIMEOUT = 3600.0
Point = dict[str, Any]


def flow_point(folder: Path, seed: int, budget: int) -> Point:
    """The net trained to a budget; LUTs as Yosys has them."""
    recipe = Recipe("flow", "digits", "digits_mlp", seed, TRAINING, QUANTIZE, boards=(BOARD,))
    start = time.process_time()
    project = train_stage(recipe.with_budget(f"lut<={budget}"), "frontier", folder, silent)
    found = project.read_json("train.json", "train")
    taken = {"seconds": time.process_time() - start, "accuracy": found["accuracy"], "float": found["float_accuracy"]}
    return {**taken, "lut": found["budget"]["measured"], "budget": found["budget"], "seed": seed, "yosys": tool()}


def peer_point(folder: Path, seed: int, beta: float) -> Point:
    """HGQ2 trained at one price, and its LUTs in both libraries' Verilog."""
    data = load("digits")
    flat = {"train_x": data.train_x.reshape(-1, 64), "test_x": data.test_x.reshape(-1, 64)}
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "data.npz", **flat, train_y=data.train_y, test_y=data.test_y)
    asked = {"sizes": SIZES, "beta": beta, "seed": seed, "seconds": SECONDS, "libraries": LIBRARIES}
    write_file(folder / "asked.json", json.dumps(asked))
    eigen = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    environment = {**os.environ, **ONE_THREAD, "XLA_FLAGS": eigen}
    environment.pop("PYTHONPATH", None)
    told = run([PEERS, HERE / "peers" / "hgq_frontier.py", folder], env=environment, timeout=TIMEOUT)
    found = json.loads(told.splitlines()[-1])
    for library in LIBRARIES:
        sources = {path.name: path.read_text() for path in sorted((folder / library / "src").rglob("*.v"))}
        sources.pop("peer_wrapper.v", None)
        found[f"{library}_lut"] = synthesise(sources, "peer", FAMILY).area.lut
    return {**found, "beta": beta, "seed": seed, "yosys": tool()}


def kept(folder: Path, who: str, price: float, seed: int) -> Point:
    """A point, made once."""
    place = folder / f"{who}_{price:g}_{seed}.json"
    if not place.is_file():
        make = partial(flow_point if who == "flow" else peer_point, folder / place.stem, seed)
        write_file(place, json.dumps(make(price)))
    found: Point = json.loads(place.read_text())
    return found


def curve(points: list[Point], lut: str, accuracy: str) -> list[tuple[float, float]]:
    """(LUTs, percent) of each price, means over its seeds, by LUTs."""
    prices = dict.fromkeys(point["price"] for point in points)
    groups = [[point for point in points if point["price"] == price] for price in prices]
    means = ([statistics.mean(p[key] for p in group) for key in (lut, accuracy)] for group in groups)
    return sorted((luts, 100 * share) for luts, share in means)


def luts_at(line: list[tuple[float, float]], accuracy: float) -> float | None:
    """LUTs at which a curve reaches an accuracy, straight lines between its points; None beyond its ends."""
    best: list[tuple[float, float]] = []
    for luts, percent in line:  # what more LUTs do worse is left out
        if not best or percent > best[-1][1]:
            best.append((luts, percent))
    if not best or not best[0][1] <= accuracy <= best[-1][1]:
        return None
    return float(np.interp(accuracy, [percent for _, percent in best], [luts for luts, _ in best]))


def rows(points: dict[str, list[Point]]) -> list[Row]:
    """Every curve, and the peers' LUTs over those at which flow is as accurate."""
    own = curve(points["flow"], "lut", "accuracy")
    lines = {"flow": own, **{f"HGQ2, {name}": curve(points["hgq2"], f"{name}_lut", name) for name in LIBRARIES}}
    found = []
    for who, line in lines.items():
        for luts, percent in line:
            equal = luts_at(own, percent)
            ratio = luts / equal if equal else None
            found.append(Row(f"{percent:.2f} % accurate", who, luts, "LUT", ratio))
    for who, held in points.items():
        if held:
            seeds = len({point["seed"] for point in held})
            found.append(Row(f"training, {seeds} seeds", who, statistics.mean(p["seconds"] for p in held), "CPU s"))
    return found


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2, 3, 4])
    parser.add_argument("--who", nargs="*", default=["flow", "hgq2"], choices=["flow", "hgq2"])
    parser.add_argument("--budgets", type=int, nargs="*", default=list(BUDGETS))
    parser.add_argument("--betas", type=float, nargs="*", default=list(BETAS))
    parser.add_argument("--folder", type=Path, default=Path("build") / "frontier")
    parser.add_argument("--finished", action="store_true", help="show what is stored and compute nothing")
    given = parser.parse_args()
    points: dict[str, list[Point]] = {"flow": [], "hgq2": []}
    for seed in given.seeds:
        for who in given.who:
            for price in given.budgets if who == "flow" else given.betas:
                if not given.finished or (given.folder / f"{who}_{price:g}_{seed}.json").is_file():
                    points[who].append({**kept(given.folder, who, price, seed), "price": price})
    publish("Accuracy against LUTs, digits 64-32-32-10", rows(points), ["pyosys", "qfx-flow"], given.json)


if __name__ == "__main__":
    main()
