"""Place and route designs on an ECP5, one after the other, for the coefficients of `clock.py`; resumable."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flow.estimation.clock import CLOCK, Stage, spatial_stage, stream_stage
from flow.estimation.designs import calibration_design
from flow.exporters.verilog import METADATA, export_architecture, make_plan
from flow.exporters.verilog.spatial import plan_spatial
from flow.exporters.writer import write_file
from flow.ir import Graph
from flow.place_and_route import place_and_route, placer
from flow.synthesis import Family, recipe, synthesise, tool

__all__ = ["clock_designs", "measure_clocks"]

Report = Callable[[str, int, int], None]
_STREAM_SEEDS, _SPATIAL = (0, 1, 2, 3, 4, 5, 8), ((0, 1), (1, 2), (3, 3), (7, 4), (5, 6), (0, 8))


def clock_designs() -> Iterator[tuple[str, Graph, dict[str, Any], Stage]]:
    """Name, graph, options of the export, and longest stage of every design that is placed."""
    for seed in _STREAM_SEEDS:
        graph = calibration_design(seed)
        yield f"stream-{seed}", graph, {"architecture": "stream"}, stream_stage(make_plan(graph))
    for seed, depth in _SPATIAL:
        graph = calibration_design(seed)
        stage = spatial_stage(plan_spatial(graph, depth))
        yield f"spatial-{seed}-{depth}", graph, {"architecture": "spatial", "depth": depth}, stage


def _placed(name: str, graph: Graph, options: dict[str, Any], stage: Stage) -> dict[str, Any]:
    files = export_architecture(graph, **options)
    names = [line for line in str(files["filelist.f"]).split() if line.endswith(".sv")]
    top = json.loads(str(files[METADATA]))["top"]
    found = synthesise({n: str(files[n]) for n in names}, top, Family.ECP5, netlist_json=True)
    placed = place_and_route(str(found.netlist_json), device="85k")
    return {
        "design": name, "levels": stage.levels, "bits": stage.bits, "fmax_mhz": round(placed.fmax_mhz, 2),
        "lut": found.area.lut, "ff": found.area.ff, "carry": found.area.carry,
        "comb": placed.utilisation["TRELLIS_COMB"][0],
    }  # fmt: skip


def measure_clocks(path: Path = CLOCK, report: Report = lambda task, done, total: None) -> int:
    """Place what is not in the file yet; returns how many designs that were."""
    head = {"tool": f"{tool()}, {placer()}", "recipe": [*recipe(Family.ECP5), "nextpnr --85k --speed 6 --seed 1"]}
    stored = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    held = stored["points"] if {key: stored.get(key) for key in head} == head else []
    points = {point["design"]: point for point in held}
    work = list(clock_designs())
    for done, design in enumerate(work):
        report("characterize: clocks", done, len(work))
        if design[0] not in points:
            points[design[0]] = _placed(*design)
            _write(path, head, list(points.values()))
    report("characterize: clocks", len(work), len(work))
    return len(points) - len(held)


def _write(path: Path, head: dict[str, Any], points: list[dict[str, Any]]) -> None:
    text = json.dumps({**head, "date": datetime.now(UTC).date().isoformat()}, indent=1).removesuffix("}").rstrip()
    rows = ",\n".join(f"  {json.dumps(point)}" for point in points)
    write_file(path, f'{text},\n "points": [\n{rows}\n ]\n}}\n')
