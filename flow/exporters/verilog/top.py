"""The files of a streaming design: the cells it uses, one module per layer, the top, a file list and metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flow.exporters.verilog.buffers import timed_plan
from flow.exporters.verilog.constants import (
    concat_context,
    each_context,
    lookup_context,
    move_context,
    scale_shift_context,
    softmax_context,
    table_context,
)
from flow.exporters.verilog.files import METADATA, needed_cells, printable, tdata_bits, templates
from flow.exporters.verilog.instances import assignments, instances, wires
from flow.exporters.verilog.layer import layer_context
from flow.exporters.verilog.order import Order
from flow.exporters.verilog.plan import Plan
from flow.exporters.verilog.products import Dsp
from flow.exporters.verilog.timing import Timing
from flow.exporters.writer import Files
from flow.ir import Concat, Graph, Linear, Lookup, RequantizeEach, ScaleShift, Softmax, Table, to_text

__all__ = ["METADATA", "export_verilog"]


def _top_context(plan: Plan, timing: Timing) -> dict[str, Any]:
    source = plan.streams[plan.graph.input.name]
    return {
        "top": plan.top,
        "design": plan.design,
        "timing": timing,
        "input": source,
        "order": source.order,
        "row_major": source.order.agrees(Order.row_major(source.value.shape)),
        "input_tdata": tdata_bits(source.width),
        "outputs": [
            {"prefix": plan.axis(name), "tdata": tdata_bits(plan.streams[name].width)} for name in plan.outputs
        ],
        "graph_text": [printable(line) for line in to_text(plan.graph).splitlines()],
        "wires": wires(plan),
        "assignments": assignments(plan),
        "instances": instances(plan),
    }


def _stream_entry(plan: Plan, name: str, timing: Timing) -> dict[str, Any]:
    stream = plan.streams[name]
    form = stream.value.format
    entry: dict[str, Any] = {
        "node": name,
        "op": stream.node.op,
        "origin": stream.node.origin,
        "signal": stream.name,
        "shape": list(stream.value.shape),
        "order": {"shape": list(stream.order.shape), "axes": list(stream.order.axes)},
        "lanes": stream.lanes,
        "width": form.width,
        "signed": form.signed,
        "beats": stream.beats,
        "cycles": timing.stages[name],
    }
    if name in plan.folding:
        fold = plan.folding[name]
        entry |= {"pe": fold.pe, "simd": fold.simd, "module": plan.layer_module(name)}
    depths = [plan.fifos.get((name, number), 0) for number in range(len(stream.node.inputs))]
    if any(depths) or name in plan.folding:
        entry["fifo"] = depths[0] if len(depths) == 1 else depths
    if name in plan.rings:
        entry["ring"] = plan.rings[name]
    moves = [plan.moves[name, number].depth for at, number in plan.moves if at == name]
    if moves:
        entry["moves"] = moves
    return entry


def _metadata(plan: Plan, timing: Timing, dsp: Dsp) -> str:
    content = {
        "design": plan.design,
        "top": plan.top,
        "input": plan.graph.input.name,
        "outputs": {name: plan.axis(name) for name in plan.outputs},
        "ii_cycles": timing.ii_cycles,
        "latency_cycles": timing.latency_cycles,
        "dsp": dict(dsp) if isinstance(dsp, Mapping) else dsp,
        "streams": [_stream_entry(plan, name, timing) for name in plan.streams],
    }
    return json.dumps(content, indent=1) + "\n"


def _modules(plan: Plan, dsp: Dsp) -> Files:
    """The modules that hold the constants of the graph."""
    known, made = templates("flow.exporters.verilog"), dict[str, str]()
    for name, stream in plan.streams.items():
        layer, rom, node = plan.layer_module(name), plan.rom_module(name), stream.node
        if isinstance(node, Linear):
            context = layer_context(plan, node, dsp)
            made[f"{rom}.sv"] = known.get_template("rom.sv.j2").render(context)
            made[f"{layer}.sv"] = known.get_template("layer.sv.j2").render(context)
        elif isinstance(node, ScaleShift):
            context = scale_shift_context(plan, node, dsp)
            made[f"{layer}.sv"] = known.get_template("scale_shift.sv.j2").render(context)
        elif isinstance(node, Table):
            context = table_context(plan, node)
            made[f"{rom}.sv"] = known.get_template("table_rom.sv.j2").render(context)
            made[f"{layer}.sv"] = known.get_template("table.sv.j2").render(context)
        elif isinstance(node, Lookup):
            context = lookup_context(plan, node)
            made[f"{rom}.sv"] = known.get_template("table_rom.sv.j2").render(context)
            made[f"{layer}.sv"] = known.get_template("lookup.sv.j2").render(context)
        elif isinstance(node, Softmax):
            context = softmax_context(plan, node, dsp)
            made[f"{rom}.sv"] = known.get_template("table_rom.sv.j2").render(context)
            made[f"{layer}.sv"] = known.get_template("softmax.sv.j2").render(context)
        elif isinstance(node, RequantizeEach):
            made[f"{layer}.sv"] = known.get_template("each.sv.j2").render(each_context(plan, node))
        elif isinstance(node, Concat):
            made[f"{layer}.sv"] = known.get_template("concat.sv.j2").render(concat_context(plan, node))
    for place in plan.moves:
        module = known.get_template("move.sv.j2").render(move_context(plan, *place))
        made[f"{plan.move_module(*place)}.sv"] = module
    return dict(made)


def export_verilog(graph: Graph, folding: Mapping[str, tuple[int, int]] | None = None, *, dsp: Dsp = False) -> Files:
    """The streaming design of a graph as SystemVerilog.

    Args:
        graph: with one input.
        folding: (PE, SIMD) of every Dense and Conv2d by node name; the cheapest for the default target where None.
        dsp: whether multipliers may become DSPs, for all nodes or by name, where a node without an entry has none;
            `dsp48e1` or `dsp48e2` puts as many products of a layer into one as its wide port holds: two of 8 bits into
            either, three of 4 bits into the first, four into the second.

    Returns:
        `cells/*.sv`, one module for every node with constants, the top, `filelist.f` (relative, in compile order),
        `stream.json`.

    Raises:
        ExportError: parameters that no cell has, a folding that does not fit, or a `dsp` that does not exist.
    """
    plan, timing = timed_plan(graph, folding)
    made = _modules(plan, dsp)
    top = templates("flow.exporters.verilog").get_template("top.sv.j2")
    made[f"{plan.top}.sv"] = top.render(_top_context(plan, timing))
    files: Files = {**needed_cells(str(text) for text in made.values()), **made}
    files["filelist.f"] = "".join(f"{name}\n" for name in files)
    files[METADATA] = _metadata(plan, timing, dsp)
    return files
