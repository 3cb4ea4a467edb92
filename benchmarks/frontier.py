"""Accuracy against LUTs on the digits: flow's budget-aware training beside HGQ2 with alkaid's and da4ml's Verilog.

The same net (64-32-32-10), split and Yosys recipe for all, and about the same processor time of training, which is
shown; sums of truth tables are other nets (--who luts: 64-10-10, and 64-16-10 for large budgets); the peers' Verilog is
combinational, the smallest that they make, flow's has its AXI-Stream ports and registers, and is shown once more
without what the ports take.

Accuracy is that of the very design on the 360 test samples, nothing is chosen by it. Finished points are kept in
--folder and not computed again, so that several processes may share the seeds; --points docs/frontier.json --finished
--plot docs/plots/frontier.svg draws what is stored there, and whatever else somebody has added to that file.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import Row, arguments, machine, publish
from emulation import HERE, ONE_THREAD, PEERS

from flow.datasets import load
from flow.errors import DataError
from flow.exporters.verilog.spatial import plan_spatial
from flow.exporters.verilog.spatial.flat import flattened
from flow.exporters.verilog.spatial.registers import skid_bits
from flow.exporters.writer import write_file
from flow.lowering import lower
from flow.progress import silent
from flow.project import Project
from flow.recipe import Recipe, load_recipe
from flow.reporting.scatter import Mark, draw_scatter, standalone
from flow.stages.models import dataset_of, network_of, quantized_of, teacher_of
from flow.stages.train import train_stage
from flow.synthesis import Family, synthesise, tool
from flow.tools import run
from flow.training import Lessons, fit, seeded

SIZES = (64, 32, 32, 10)
SECONDS = 60.0  # of HGQ2's processor time; flow's epochs and corrections take about as much, float training included
BETAS = (1e-5, 3e-5, 1e-4, 3e-4)
BUDGETS = (1000, 1500, 2500, 4000)
# LUTs above which the recipe with more and larger tables is used: on three folds of the training samples it is ahead at
# 3,000 LUTs and behind at 1,000.
WIDE = 1500
LIBRARIES = ("alkaid", "da4ml")
FAMILY = Family.XCUP  # that of the board
BOARD = "ultra96_v2"
TIMEOUT = 3600.0
FLOWS = {"flow": "flow", "luts": "flow, truth tables"}  # by the names of --who
BARE = "{}, without ports"
PEER_NAMES = ("HGQ2, alkaid", "HGQ2, taught, alkaid")
LESSONS = 64  # epochs of them that the peer is given, taken in turn
TOLD = ("asked", "estimated", "measured")  # of a training to a budget
Point = dict[str, Any]
Curve = list[tuple[str, float, float]]
Middle = Callable[[list[float]], float]


def flow_recipe(seed: int, budget: int) -> Recipe:
    """The net as its own recipe trains it."""
    return replace(load_recipe("digits_budget"), seed=seed, boards=(BOARD,)).with_budget(f"lut<={budget}")


def luts_recipe(seed: int, budget: int) -> Recipe:
    """Sums of truth tables as their own recipe trains them."""
    recipe = load_recipe("digits_luts16" if budget > WIDE else "digits_luts")
    return replace(recipe, seed=seed, boards=(BOARD,)).with_budget(f"lut<={budget}")


def port_luts(recipe: Recipe, project: Project) -> int:
    """LUTs that the stream ports of a trained design take: one for each bit of the skid buffer."""
    from flow.training import unpack

    model = quantized_of(recipe, dataset_of(recipe), network_of(recipe))
    model.load_state_dict(unpack(project.path("checkpoint.pt"))["learned"]["model"])
    return skid_bits(flattened(plan_spatial(lower(model.eval(), name="net"))))


def trained(recipe: Recipe, folder: Path) -> Point:
    """A point of flow; LUTs as Yosys has them."""
    start = time.process_time()
    project = train_stage(recipe, "frontier", folder, silent)
    seconds, found = time.process_time() - start, project.read_json("train.json", "train")
    return {
        "seconds": seconds,
        "accuracy": found["accuracy"],
        "float": found["float_accuracy"],
        "lut": found["budget"]["measured"],
        "ports": port_luts(recipe, project),
        "budget": found["budget"],
        "seed": recipe.seed,
        "yosys": tool(),
    }


def lessons(seed: int) -> dict[str, Any]:
    """What flow's nets of a seed learn, for some epochs, and the processor time that their teacher took."""
    recipe = flow_recipe(seed, BUDGETS[0])
    data, network, start = dataset_of(recipe), network_of(recipe), time.process_time()
    teacher, course = teacher_of(recipe, data, network), recipe.train
    fit(teacher, data.train, data.test, epochs=course.float_epochs, seed=seed, batch=course.batch, lr=course.lr)
    took, held = time.process_time() - start, Lessons(data.train_x, teacher)
    with seeded(seed):
        x, y = zip(*(held.drawn() for _ in range(LESSONS)), strict=True)
    return {"x": torch.stack(x).flatten(2).numpy(), "y": torch.stack(y).numpy(), "seconds": took}


def peer_point(libraries: Sequence[str], folder: Path, seed: int, beta: float, taught: bool = False) -> Point:
    """HGQ2 trained at one price, by labels or by what teaches flow's nets, and its LUTs in the libraries' Verilog."""
    data, teaching = load("digits"), lessons(seed) if taught else None
    flat = {"train_x": data.train_x.reshape(-1, 64), "test_x": data.test_x.reshape(-1, 64)}
    if teaching:
        flat |= {"lessons_x": teaching["x"], "lessons_y": teaching["y"]}
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "data.npz", **flat, train_y=data.train_y, test_y=data.test_y)
    asked = {"sizes": SIZES, "beta": beta, "seed": seed, "seconds": SECONDS, "libraries": libraries}
    write_file(folder / "asked.json", json.dumps(asked))
    eigen = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    environment = {**os.environ, **ONE_THREAD, "XLA_FLAGS": eigen}
    environment.pop("PYTHONPATH", None)
    told = run([PEERS, HERE / "peers" / "hgq_frontier.py", folder], env=environment, timeout=TIMEOUT)
    found = json.loads(told.splitlines()[-1])
    check_logic(found["ebops"], beta, seed)
    found["seconds"] += teaching["seconds"] if teaching else 0.0
    for library in libraries:
        sources = {path.name: path.read_text() for path in sorted((folder / library / "src").rglob("*.v"))}
        sources.pop("peer_wrapper.v", None)
        found[f"{library}_lut"] = synthesise(sources, "peer", FAMILY).area.lut
    return {**found, "beta": beta, "seed": seed, "yosys": tool()}


def check_logic(ebops: float, beta: float, seed: int) -> None:
    """Yosys finds no top module in a design that has no ports, as both libraries write one for such a net.

    Raises:
        DataError: training left nothing of the net.
    """
    if not ebops:
        raise DataError(
            f"A net needs weights to become logic, but HGQ2 has pruned all of them at beta {beta:g}, seed {seed}; "
            "give lower --betas."
        )


TAUGHT = {"hgq2": False, "hgq2_taught": True}  # by the names of --who
RECIPES = {"flow": flow_recipe, "luts": luts_recipe}


def kept(folder: Path, who: str, price: float, seed: int, libraries: Sequence[str] = LIBRARIES) -> Point:
    """A point, made once."""
    place = folder / f"{who}_{price:g}_{seed}.json"
    if not place.is_file():
        below = folder / place.stem
        made = (
            peer_point(libraries, below, seed, price, TAUGHT[who])
            if who in TAUGHT
            else trained(RECIPES[who](seed, int(price)), below)
        )
        write_file(place, json.dumps(made))
    found: Point = json.loads(place.read_text())
    return found


def shown(who: str, price: float, point: Point) -> list[Point]:
    """A point as `docs/frontier.json` holds it, one for each Verilog that was made."""
    same = {key: point[key] for key in ("seed", "seconds", "yosys")}
    if who in FLOWS:
        found = {"price": f"lut<={price:g}", "accuracy": point["accuracy"], **same}
        bare = {"who": BARE.format(FLOWS[who]), "lut": point["lut"] - point["ports"]}
        # Points that were stored by older versions may lack it.
        told = {"budget": {key: point["budget"][key] for key in TOLD}} if "budget" in point else {}
        return [{"who": FLOWS[who], "lut": point["lut"], **found, **told}, {**bare, **found}]
    return [
        {
            "who": f"HGQ2, {'taught, ' * TAUGHT[who]}{name}",
            "price": f"beta {price:g}",
            "lut": point[f"{name}_lut"],
            "accuracy": point[name],
            **same,
        }
        for name in LIBRARIES
        if name in point
    ]


def merged(place: Path, points: list[Point]) -> list[Point]:
    """These points and those of the file that are none of them, such as other helpers' architectures."""
    stored: list[Point] = json.loads(place.read_text())["points"] if place.is_file() else []
    found = {(point["who"], point["price"], point["seed"]): point for point in (*stored, *points)}
    return [found[key] for key in sorted(found)]


def curve(points: list[Point], middle: Middle = statistics.mean) -> Curve:
    """(price, LUTs, percent) of each price, means or medians over its seeds, by LUTs."""
    prices = dict.fromkeys(point["price"] for point in points)
    groups = {price: [point for point in points if point["price"] == price] for price in prices}
    means = ((price, *(middle([p[k] for p in held]) for k in ("lut", "accuracy"))) for price, held in groups.items())
    return sorted(((price, luts, 100 * share) for price, luts, share in means), key=lambda entry: entry[1])


def luts_at(line: Curve, accuracy: float) -> float | None:
    """LUTs at which a curve reaches an accuracy, straight lines between its points; None beyond its ends."""
    best: list[tuple[float, float]] = []
    for _, luts, percent in line:  # what more LUTs do worse is left out
        if not best or percent > best[-1][1]:
            best.append((luts, percent))
    if not best or not best[0][1] <= accuracy <= best[-1][1]:
        return None
    return float(np.interp(accuracy, [percent for _, percent in best], [luts for luts, _ in best]))


def lines_of(points: list[Point], middle: Middle = statistics.mean) -> dict[str, Curve]:
    """The curve of everyone."""
    names = dict.fromkeys(point["who"] for point in points)
    return {who: curve([point for point in points if point["who"] == who], middle) for who in names}


def over_peer(lines: dict[str, Curve], words: str) -> Iterator[Row]:
    """LUTs of flow's points over those that a peer takes at the same accuracy."""
    for peer, (who, line) in itertools.product(PEER_NAMES, lines.items()):
        for price, luts, percent in line if who.startswith("flow") else ():
            if theirs := luts_at(lines.get(peer, []), percent):
                yield Row(f"{price}: over {peer} at {percent:.2f} %, {words}", who, luts / theirs, "x")


def rows(points: list[Point]) -> list[Row]:
    """Every curve, LUTs over those at which the other side is as accurate, and what the trainings took."""
    lines, found = lines_of(points), list[Row]()
    for who, line in lines.items():
        for price, luts, percent in line:
            equal = luts_at(lines.get("flow", []), percent)
            found.append(Row(f"{price}: {percent:.2f} % accurate", who, luts, "LUT", luts / equal if equal else None))
    # A seed in which a net fell apart moves a mean, not a median.
    found += [*over_peer(lines, "means"), *over_peer(lines_of(points, statistics.median), "medians")]
    for who in lines:
        held = [point for point in points if point["who"] == who]
        seeds = len({point["seed"] for point in held})
        found.append(Row(f"training, {seeds} seeds", who, statistics.mean(p["seconds"] for p in held), "CPU s"))
    return found


def plot(points: list[Point]) -> str:
    """The curves, means over seeds, as a drawing of its own; without ports they are in the table alone."""
    drawn = {who: line for who, line in lines_of(points).items() if not who.endswith(BARE.format(""))}
    marks = [Mark(price, who, luts, share) for who, line in drawn.items() for price, luts, share in line]
    title = "Accuracy against LUTs, digits 64-32-32-10, Yosys for xcup, means over seeds"
    return standalone(draw_scatter(marks, title, "LUT", "test accuracy, %", unit=" %"))


def computed(given: argparse.Namespace) -> list[Point]:
    """All points that were asked for, seed by seed, so that what an interruption leaves is a fair comparison."""
    points: list[Point] = []
    for seed in given.seeds:
        for who in given.who:
            for price in given.budgets if who in FLOWS else given.betas:
                if not given.finished or (given.folder / f"{who}_{price:g}_{seed}.json").is_file():
                    points += shown(who, price, kept(given.folder, who, price, seed, given.libraries))
    return points


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2, 3, 4])
    parser.add_argument("--who", nargs="*", default=["flow", *TAUGHT], choices=[*RECIPES, *TAUGHT])
    parser.add_argument("--budgets", type=int, nargs="*", default=list(BUDGETS))
    parser.add_argument("--betas", type=float, nargs="*", default=list(BETAS))
    parser.add_argument("--libraries", nargs="*", default=list(LIBRARIES), choices=LIBRARIES, help="that write Verilog")
    parser.add_argument("--folder", type=Path, default=Path("build") / "frontier")
    parser.add_argument("--finished", action="store_true", help="show what is stored and compute nothing")
    parser.add_argument("--points", type=Path, metavar="FILE", help="every point; those of others in it are shown too")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the curves there, as SVG")
    given = parser.parse_args()
    points = computed(given)
    if given.points is not None:
        points = merged(given.points, points)
        write_file(given.points, json.dumps({"machine": machine(), "points": points}, indent=1) + "\n")
    if given.plot is not None:
        write_file(given.plot, plot(points))
    publish("Accuracy against LUTs, digits 64-32-32-10", rows(points), ["pyosys", "qfx-flow"], given.json)


if __name__ == "__main__":
    main()
