"""What synthesis makes of the emitted RTL: the whole design flat, and every layer out of context."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flow.errors import ToolError
from flow.estimation.boards import Board
from flow.estimation.characterise import synthesise_whole
from flow.estimation.cost import LayerUsage, Measured, Usage
from flow.estimation.layers import layer_modules
from flow.exporters.names import owner
from flow.exporters.verilog import METADATA, Plan, make_plan
from flow.ir import Graph
from flow.synthesis import Area, synthesise

__all__ = ["exported_folding", "exported_options", "measure"]

_SPATIAL = ("depth", "dsp", "adder")  # options of a spatial design that its export writes down


def _sources(project: Path) -> dict[str, str]:
    """The SystemVerilog files that an export wrote, in compile order."""
    try:
        names = [name for name in (project / "filelist.f").read_text().split() if name.endswith(".sv")]
        return {name: (project / name).read_text() for name in names}
    except OSError as error:
        raise ToolError(
            f"There is no exported RTL in {project.name!r} ({error.strerror}); run `flow export` with verilog first."
        ) from None


def _usage(area: Area) -> Usage:
    return Usage(area.lut, area.ff, area.dsp, area.bram, area.carry)


def _plan(graph: Graph, written: Mapping[str, Any]) -> Plan:
    """The plan of the exported design, from the graph and the folding that the export wrote down."""
    return make_plan(graph, _folding(written))


def _folding(written: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    return {entry["node"]: (entry["pe"], entry["simd"]) for entry in written["streams"] if "pe" in entry}


def exported_options(project: Path) -> dict[str, Any]:
    """What `estimate` must be told of an exported design: architecture and options; nothing where there is none."""
    if not (project / METADATA).is_file():
        return {}
    written = json.loads((project / METADATA).read_text())
    if written.get("architecture") == "spatial":
        return {"architecture": "spatial", **{key: written[key] for key in _SPATIAL if key in written}}
    return {"folding": _folding(written), "dsp": written.get("dsp", False)}


def exported_folding(project: Path) -> dict[str, tuple[int, int]] | None:
    """(PE, SIMD) of every layer of an exported streaming design; None where there is none."""
    return exported_options(project).get("folding")


def _layers(graph: Graph, plan: Plan, board: Board, sources: Mapping[str, str]) -> tuple[tuple[LayerUsage, ...], float]:
    modules = layer_modules(plan)
    found = synthesise_whole(dict(modules.values()), board.family, sources)
    areas = {node.name: Usage() for node in graph}
    for name, (module, _) in modules.items():
        areas[owner(graph, name)] += _usage(found.module_areas[module])
    return tuple(LayerUsage(node.name, node.op, areas[node.name]) for node in graph), found.seconds


def measure(graph: Graph, project: Path, board: Board, *, layers: bool = True) -> Measured:
    """Synthesise an exported design for the family of a board.

    Args:
        graph: the design.
        project: the folder that `export_verilog` filled.
        board: whose family it is mapped to.
        layers: also map every layer of a streaming design on its own; as much work again.

    Raises:
        ToolError: there is no exported RTL, or the synthesiser rejects it.
    """
    sources = _sources(project)
    written = json.loads((project / METADATA).read_text())
    whole = synthesise(sources, written["top"], board.family)
    if written.get("architecture") == "spatial" or not layers:
        return Measured(whole.tool, whole.recipe, _usage(whole.area), (), whole.seconds)
    rows, seconds = _layers(graph, _plan(graph, written), board, sources)
    return Measured(whole.tool, whole.recipe, _usage(whole.area), rows, whole.seconds + seconds)
