"""The files of a streaming design: the cells it uses, one module per layer, the top, a file list and metadata."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from flow import resources
from flow.exporters.verilog.instances import assignments, instances, wires
from flow.exporters.verilog.layer import layer_context
from flow.exporters.verilog.plan import Plan, make_plan
from flow.exporters.verilog.timing import predict
from flow.exporters.writer import Files
from flow.ir import Dense, Graph, to_text

__all__ = ["METADATA", "export_verilog"]

METADATA = "stream.json"
_PACKAGE = "flow_pkg"


def _printable(text: str) -> str:
    """Text fit for a comment line: one line, ASCII."""
    return text.encode("ascii", "backslashreplace").decode().replace("\n", " ").replace("\r", " ")


def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("flow.exporters.verilog"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701  # SystemVerilog, not HTML; names of the model pass through `printable`
    )
    environment.filters["printable"] = _printable
    return environment


def _needed_cells(texts: Iterable[str]) -> Files:
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


def _tdata(width: int) -> int:
    return -(-width // 8) * 8


def _top_context(plan: Plan) -> dict[str, Any]:
    source = plan.streams[plan.graph.input.name]
    return {
        "top": plan.top,
        "design": plan.design,
        "timing": predict(plan),
        "input": source,
        "input_tdata": _tdata(source.width),
        "outputs": [{"prefix": plan.axis(name), "tdata": _tdata(plan.streams[name].width)} for name in plan.outputs],
        "graph_text": [_printable(line) for line in to_text(plan.graph).splitlines()],
        "wires": wires(plan),
        "assignments": assignments(plan),
        "instances": instances(plan),
    }


def _stream_entry(plan: Plan, name: str) -> dict[str, Any]:
    stream = plan.streams[name]
    form = stream.value.format
    entry: dict[str, Any] = {
        "node": name,
        "op": stream.node.op,
        "origin": stream.node.origin,
        "signal": stream.name,
        "shape": list(stream.value.shape),
        "lanes": stream.lanes,
        "width": form.width,
        "signed": form.signed,
        "beats": stream.beats,
        "cycles": predict(plan).stages[name],
    }
    if name in plan.folding:
        fold = plan.folding[name]
        entry |= {"pe": fold.pe, "simd": fold.simd, "fifo": plan.fifos.get(name, 0), "module": plan.layer_module(name)}
    return entry


def _metadata(plan: Plan) -> str:
    timing = predict(plan)
    content = {
        "design": plan.design,
        "top": plan.top,
        "input": plan.graph.input.name,
        "outputs": {name: plan.axis(name) for name in plan.outputs},
        "ii_cycles": timing.ii_cycles,
        "latency_cycles": timing.latency_cycles,
        "streams": [_stream_entry(plan, name) for name in plan.streams],
    }
    return json.dumps(content, indent=1) + "\n"


def export_verilog(graph: Graph, folding: Mapping[str, tuple[int, int]] | None = None, *, dsp: bool = False) -> Files:
    """The streaming design of a graph as SystemVerilog.

    Args:
        graph: with one input; Dense, Relu, Requantize, Flatten, ArgMax.
        folding: (PE, SIMD) of every Dense by node name; the cheapest for the default target where None.
        dsp: whether multipliers may become DSPs.

    Returns:
        `cells/*.sv`, one module per Dense, the top, `filelist.f` (relative, in compile order), `stream.json`.

    Raises:
        ExportError: an operator without streaming RTL, or a folding that does not fit.
    """
    plan, templates = make_plan(graph, folding), _templates()
    made: dict[str, str] = {}
    for name in plan.folding:
        layer = plan.graph[name]
        if isinstance(layer, Dense):
            context = layer_context(plan, layer, dsp)
            made[f"{plan.rom_module(name)}.sv"] = templates.get_template("rom.sv.j2").render(context)
            made[f"{plan.layer_module(name)}.sv"] = templates.get_template("layer.sv.j2").render(context)
    made[f"{plan.top}.sv"] = templates.get_template("top.sv.j2").render(_top_context(plan))
    files: Files = {**_needed_cells(made.values()), **made}
    files["filelist.f"] = "".join(f"{name}\n" for name in files)
    files[METADATA] = _metadata(plan)
    return files
