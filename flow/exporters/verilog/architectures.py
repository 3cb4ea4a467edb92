"""The two architectures behind one exporter, and which options each has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flow.errors import ExportError, did_you_mean
from flow.exporters.verilog.spatial import export_spatial
from flow.exporters.verilog.top import export_verilog
from flow.exporters.writer import Files
from flow.ir import Graph

__all__ = ["ARCHITECTURES", "check_options", "export_architecture"]

# What makes the files, and its options.
ARCHITECTURES: Mapping[str, tuple[Callable[..., Files], tuple[str, ...]]] = {
    "stream": (export_verilog, ("folding", "dsp")),
    "spatial": (export_spatial, ("depth",)),
}


def check_options(options: Mapping[str, Any]) -> None:
    """Refuse what no architecture, or not the chosen one, knows.

    Raises:
        ExportError: an architecture or an option that does not exist, or a depth that is no count.
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
    depth = given.get("depth", 0)
    if isinstance(depth, bool) or not isinstance(depth, int) or depth < 0:
        raise ExportError(
            f"The depth of a spatial design is a count of additions between two registers, 0 for none, not {depth!r}."
        )


def export_architecture(graph: Graph, architecture: str = "stream", **options: Any) -> Files:
    """SystemVerilog of a graph.

    Args:
        graph: with one input.
        architecture: `stream`, folded dataflow, or `spatial`, shifts and additions with a sample a cycle.
        options: `folding` and `dsp` of `stream`, see `export_verilog`; `depth` of `spatial`, see `export_spatial`.

    Raises:
        ExportError: as `check_options`, or a graph that the architecture cannot express.
    """
    check_options({"architecture": architecture, **options})
    return ARCHITECTURES[architecture][0](graph, **options)
