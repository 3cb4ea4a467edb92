"""The two architectures behind one exporter, and which options each has."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from flow.errors import ExportError, did_you_mean
from flow.exporters.verilog.spatial import export_spatial
from flow.exporters.verilog.top import export_verilog
from flow.exporters.writer import Files
from flow.ir import Graph

__all__ = ["ARCHITECTURES", "PACE_OPTIONS", "check_options", "export_architecture"]

# Options that become a folding by the cost model, before any file is made: see `flow.stages.pace`.
PACE_OPTIONS = ("target_fps", "fit", "board")
# What makes the files, and its options.
ARCHITECTURES: Mapping[str, tuple[Callable[..., Files], tuple[str, ...]]] = {
    "stream": (export_verilog, ("folding", "dsp", *PACE_OPTIONS)),
    "spatial": (export_spatial, ("depth", "dsp", "adder", "board")),
}


def check_options(options: Mapping[str, Any]) -> None:
    """Refuse what no architecture, or not the chosen one, knows.

    Raises:
        ExportError: an architecture or an option that does not exist, a depth or DSPs of a spatial design that are no
            count, a pace that is no number, or several of a folding, a pace, and a board to be filled.
    """
    given = {key: value for key, value in options.items() if key != "architecture"}
    architecture = options.get("architecture", "stream")
    if architecture not in ARCHITECTURES:
        raise ExportError(
            f"Verilog has no architecture {architecture!r}; {did_you_mean(str(architecture), ARCHITECTURES, 'it has')}"
        )
    legal = ARCHITECTURES[architecture][1]
    for key in given:
        if key not in legal:
            raise ExportError(
                f"The {architecture} architecture has no option {key!r}; {did_you_mean(key, legal, 'its options are')}"
            )
    _check_pace(given)
    depth = given.get("depth", 0)
    if not _is_count(depth):
        raise ExportError(
            f"The depth of a spatial design is a count of additions between two registers, 0 for none, not {depth!r}."
        )
    dsp = given.get("dsp", 0)
    if architecture == "spatial" and not _is_count(dsp):
        raise ExportError(f"Option dsp of a spatial design is a count of DSPs that it may have, from 0, not {dsp!r}.")


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _check_pace(given: Mapping[str, Any]) -> None:
    """Refuse what says twice how far a design is folded, and paces that are none."""
    asked = [key for key in ("folding", "target_fps", "fit") if given.get(key)]
    if len(asked) > 1:
        raise ExportError(
            f"Options {asked[0]!r} and {asked[1]!r} both say how far layers are folded; give one of them."
        )
    pace = given.get("target_fps", 1)
    if isinstance(pace, bool) or not isinstance(pace, int | float) or not 0 < pace < math.inf:
        raise ExportError(f"A pace is a number of samples a second above 0, not {pace!r}.")
    if not isinstance(given.get("fit", False), bool):
        raise ExportError(f"Option 'fit' is true or false, not {given['fit']!r}; the board is an option of its own.")


def export_architecture(graph: Graph, architecture: str = "stream", **options: Any) -> Files:
    """SystemVerilog of a graph.

    Args:
        graph: with one input.
        architecture: `stream`, folded dataflow, or `spatial`, shifts and additions with a sample a cycle.
        options: `folding` and `dsp` of `stream`, see `export_verilog`; `depth`, `dsp` and `adder` of `spatial`, see
            `export_spatial`.
            Those of `PACE_OPTIONS` are for `flow.export`, which makes a folding of them or checks that the board holds
            the design.

    Raises:
        ExportError: as `check_options`, or a graph that the architecture cannot express.
    """
    check_options({"architecture": architecture, **options})
    return ARCHITECTURES[architecture][0](graph, **options)
