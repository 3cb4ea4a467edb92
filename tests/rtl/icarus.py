"""Icarus Verilog reads the RTL: every cell, the stream cells in every shape that the tests drive, whole designs.

    python -m tests.rtl.icarus          # or `make icarus`

Icarus is no package of pip (Debian: apt-get install iverilog), so this is a command and not a test. Exit status 1
unless all of it is elaborated without a word.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from flow import tools
from flow.errors import ToolError
from flow.estimation.characterise import rtl_sources
from flow.exporters.verilog import export_verilog
from flow.exporters.verilog.spatial import export_spatial
from flow.exporters.writer import Files, write_tree
from tests.graphs import mixed_graph, mlp_graph, resnet_graph
from tests.ir.random_graphs import drawn
from tests.rtl.test_streams import harness_sources

GRAPHS = 40  # random ones, of every operator


def said(folder: Path, top: str) -> str:
    """What Icarus has to say about the files of a folder; nothing where it reads them."""
    files = [line for line in (folder / "filelist.f").read_text().split("\n") if line]
    try:
        return tools.run(["iverilog", "-g2012", "-t", "null", "-s", top, *files], cwd=folder)
    except ToolError as error:
        return f"{error}\n"


def listed(sources: Files) -> Files:
    return {**sources, "filelist.f": "".join(f"{name}\n" for name in sources)}


def projects() -> dict[str, tuple[str, Files]]:
    """Top and files by name."""
    sources = rtl_sources()
    found = {name[:-3]: (name[:-3], listed(sources)) for name in sources if name != "flow_pkg.sv"}
    found["stream cells"] = ("harness", listed(harness_sources()))
    for graph in (mlp_graph(), resnet_graph(), mixed_graph(), *(drawn(seed) for seed in range(GRAPHS))):
        found[f"{graph.name}, streaming"] = (f"{graph.name}_top", export_verilog(graph))
        if graph.name != "resnet":  # unrolled, it is a million lines
            found[f"{graph.name}, spatial"] = (f"{graph.name}_top", export_spatial(graph, 2))
    return found


def main() -> int:
    tools.program("iverilog")  # named where it is missing, before anything is exported
    failed = 0
    for name, (top, files) in (every := projects()).items():
        with tempfile.TemporaryDirectory() as folder:
            write_tree(Path(folder) / "rtl", files)
            words = said(Path(folder) / "rtl", top)
        if words:
            failed += 1
            print(f"{name}:\n{words}")  # noqa: T201
    print(f"{len(every) - failed} of {len(every)} read")  # noqa: T201
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
