"""Place and route designs on an ECP5, one after the other, for the coefficients of `clock.py`; resumable."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flow.estimation.characterise import text_digest
from flow.estimation.clock import CLOCK, Stage, spatial_stage, stream_stage
from flow.estimation.designs import calibration_design
from flow.exporters.verilog import METADATA, export_architecture, make_plan
from flow.exporters.verilog.spatial import plan_spatial
from flow.exporters.writer import write_file
from flow.ir import Graph
from flow.place_and_route import place_and_route, placer
from flow.synthesis import Family, recipe, synthesise, tool

__all__ = ["clock_designs", "clock_digest", "measure_clocks"]

Report = Callable[[str, int, int], None]
Design = tuple[str, Graph, dict[str, Any], Stage]
Point = dict[str, Any]
_STREAM_SEEDS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)
_SPATIAL = ((0, 1), (1, 2), (3, 3), (7, 4), (5, 6), (0, 8), (9, 1), (9, 4), (10, 2), (11, 6))  # seeds, and depths


def clock_designs() -> Iterator[Design]:
    """Name, graph, options of the export, and longest stage of every design that is placed."""
    for seed in _STREAM_SEEDS:
        graph = calibration_design(seed)
        yield f"stream-{seed}", graph, {"architecture": "stream"}, stream_stage(make_plan(graph))
    for seed, depth in _SPATIAL:
        graph = calibration_design(seed)
        stage = spatial_stage(plan_spatial(graph, depth))
        yield f"spatial-{seed}-{depth}", graph, {"architecture": "spatial", "depth": depth}, stage


def _exported(graph: Graph, options: dict[str, Any]) -> tuple[dict[str, str], str]:
    """SystemVerilog by file name, in compile order, and the name of the top."""
    files = export_architecture(graph, **options)
    names = [line for line in str(files["filelist.f"]).split() if line.endswith(".sv")]
    return {name: str(files[name]) for name in names}, json.loads(str(files[METADATA]))["top"]


def clock_digest(graph: Graph, options: dict[str, Any]) -> str:
    """A hash of the whole text of a design, whatever its comments say."""
    return text_digest(list(_exported(graph, options)[0].values()), {})


def _placed(graph: Graph, options: dict[str, Any]) -> Point:
    """Highest clock and resources."""
    found = synthesise(*_exported(graph, options), Family.ECP5, netlist_json=True)
    placed = place_and_route(str(found.netlist_json), device="85k")
    return {
        "fmax_mhz": round(placed.fmax_mhz, 2), "lut": found.area.lut, "ff": found.area.ff, "carry": found.area.carry,
        "comb": placed.utilisation["TRELLIS_COMB"][0],
    }  # fmt: skip


def measure_clocks(path: Path = CLOCK, report: Report = lambda task, done, total: None) -> int:
    """Place what is not in the file yet, or there as another text; returns how many designs that were."""
    head = {"tool": f"{tool()}, {placer()}", "recipe": [*recipe(Family.ECP5), "nextpnr --85k --speed 6 --seed 1"]}
    stored = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    held = stored["points"] if {key: stored.get(key) for key in head} == head else []
    work = [(design, clock_digest(*design[1:3])) for design in clock_designs()]
    finished = {(point["design"], point.get("digest")): point for point in held}
    points = {name: finished.get((name, digest)) for (name, *_), digest in work}
    missing = [name for name, point in points.items() if point is None]
    for done, ((name, graph, options, stage), digest) in enumerate(work):
        report("characterize: clocks", done, len(work))
        figures = points[name] or {"date": datetime.now(UTC).date().isoformat(), **_placed(graph, options)}
        depth = {"levels": stage.levels, "bits": stage.bits}
        points[name] = {"design": name, "digest": digest, **figures, **depth}
        _write(path, head, [point for point in points.values() if point])
    report("characterize: clocks", len(work), len(work))
    return len(missing)


def _write(path: Path, head: dict[str, Any], points: list[Point]) -> None:
    text = json.dumps(head, indent=1).removesuffix("}").rstrip()
    rows = ",\n".join(f"  {json.dumps(point)}" for point in points)
    write_file(path, f'{text},\n "points": [\n{rows}\n ]\n}}\n')
