"""What both architectures share on the way to files: templates, the cells that a text names, live nodes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from flow import resources
from flow.exporters.writer import Files
from flow.ir import Graph

__all__ = ["METADATA", "alive", "needed_cells", "printable", "tdata_bits", "templates"]

METADATA = "stream.json"
_PACKAGE = "flow_pkg"


def printable(text: str) -> str:
    """Text fit for a comment line: one line, ASCII."""
    return text.encode("ascii", "backslashreplace").decode().replace("\n", " ").replace("\r", " ")


@cache
def templates(package: str) -> Environment:
    """The templates of a package, which may use the filter `printable`; compiled once in a process."""
    environment = Environment(
        loader=PackageLoader(package),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701  # SystemVerilog, not HTML; names of the model pass through `printable`
    )
    environment.filters["printable"] = printable
    return environment


def needed_cells(texts: Iterable[str]) -> Files:
    """The cells that the texts name, and those that these name in turn; the package first."""
    folder = resources.folder("rtl")
    cells = {path.stem: path.read_text() for path in sorted(folder.glob("*.sv"))}
    needed, todo = set[str](), list(texts)
    while todo:
        found = set(re.findall(r"\bflow_\w+", todo.pop())) & cells.keys() - needed
        needed |= found
        todo += [cells[name] for name in found]
    ordered = sorted(needed, key=lambda name: (name != _PACKAGE, name))
    return {f"cells/{name}.sv": cells[name] for name in ordered}


def tdata_bits(width: int) -> int:
    """Bits of TDATA for so many of payload: whole bytes."""
    return -(-width // 8) * 8


def alive(graph: Graph) -> Graph:
    """The nodes that an output depends on, and the input."""
    needed = set(graph.outputs) | {graph.input.name}
    for node in reversed(graph.nodes):
        if node.name in needed:
            needed.update(node.inputs)
    kept = tuple(node for node in graph if node.name in needed)
    return graph if len(kept) == len(graph) else Graph(graph.name, kept, graph.outputs, graph.proved)
