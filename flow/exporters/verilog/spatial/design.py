"""The spatial architecture: every multiplication is shifts and additions, a new sample every cycle, all of it at once.

Blocks follow each other as registers allow; where two paths join, the earlier value waits in registers. While the host
does not take a result everything stops: what is behind a skid buffer by the outputs' ready, what is before it by the
buffer's. A convolution is one module for a position and an instance for each position, so that it too takes a sample a
cycle; what does not fit a device that way is for `stream`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from flow.exporters.names import identifier, identifiers
from flow.exporters.sizes import check_sizes
from flow.exporters.verilog.files import METADATA, alive, needed_cells, printable, tdata_bits, templates
from flow.exporters.verilog.spatial.blocks import Block, Ranges, make_parts
from flow.exporters.verilog.spatial.cut import skid_place, start
from flow.exporters.verilog.spatial.moves import Move
from flow.exporters.verilog.spatial.multipliers import Multipliers
from flow.exporters.writer import Files
from flow.formats import FixedPoint
from flow.ir import Graph, to_text

__all__ = ["DEFAULT_DEPTH", "Spatial", "export_spatial", "plan_spatial"]

DEFAULT_DEPTH = 4  # carry chains between two registers
_INPUT_REGISTERS = 1


@dataclass(frozen=True, slots=True)
class Spatial:
    """A design and its clock.

    Attributes:
        graph: the nodes that an output depends on.
        design: identifier, prefix of every module.
        names: identifier of every node.
        parts: blocks and moves, in order.
        times: by node that has a bus, the cycle in which it holds a sample, counted from the input's.
        ranges: of every code, by node that has a bus.
        cut: the cycle behind which the skid buffer stands, which takes one.
        depth: carry chains between two registers, 0 for no registers but those at the end of a block.
        multipliers: DSPs that products may take.
    """

    graph: Graph
    design: str
    names: dict[str, str]
    parts: tuple[Block | Move, ...]
    times: dict[str, int]
    ranges: Mapping[str, Ranges]
    cut: int
    depth: int
    multipliers: Multipliers

    @property
    def blocks(self) -> tuple[Block, ...]:
        """What computes."""
        return tuple(part for part in self.parts if isinstance(part, Block))

    @property
    def moves(self) -> tuple[Move, ...]:
        """What only moves codes."""
        return tuple(part for part in self.parts if isinstance(part, Move))

    @property
    def top(self) -> str:
        """Name of the top module."""
        return f"{self.design}_top"

    @property
    def latest(self) -> int:
        """When all outputs are there, behind the buffer."""
        return max(self.cut + 1, *(self.times[name] for name in self.graph.outputs))

    @property
    def latency_cycles(self) -> int:
        """From the beat that takes a sample to the beat that gives its result."""
        return self.latest + _INPUT_REGISTERS

    def held(self) -> dict[str, int]:
        """By node that has a bus, for how many cycles its value is there for those that read it later."""
        found = dict.fromkeys(self.times, 0)
        for part in self.parts:
            read = start(part, self.times)
            found.update({name: max(found[name], read - self.times[name]) for name in part.reads})
        found.update({name: max(found[name], self.latest - self.times[name]) for name in self.graph.outputs})
        return found

    def crosses(self, name: str, time: int) -> bool:
        """Whether a value passes the skid buffer on its way to a time."""
        return self.times[name] <= self.cut < time

    def axis(self, output: str) -> str:
        """Prefix of the AXI-Stream port of an output."""
        return "m_axis" if len(self.graph.outputs) == 1 else f"m_axis_{self.names[output]}"

    def bits(self, name: str) -> int:
        """Of a whole sample of a node."""
        value = self.graph.values[name]
        return value.size * value.format.width


def plan_spatial(graph: Graph, depth: int = DEFAULT_DEPTH, dsp: int = 0, adder: bool = False) -> Spatial:
    """Blocks, buses and when they hold a sample.

    Raises:
        ExportError: as `export_spatial`.
    """
    check_sizes(graph)
    kept, multipliers = alive(graph), Multipliers(dsp, adder)
    (parts, ranges), times = make_parts(kept, depth, multipliers), {kept.input.name: 0}
    for part in parts:
        cycles = part.body.cycles if isinstance(part, Block) else 0
        times[part.name] = max(times[name] for name in part.reads) + cycles
    cut = skid_place(parts, times, kept.outputs, ranges)
    times = {name: time + (time > cut) for name, time in times.items()}
    names = identifiers(kept)
    return Spatial(kept, identifier(graph.name), names, tuple(parts), times, ranges, cut, depth, multipliers)


@dataclass(frozen=True, slots=True)
class _Wire:
    name: str
    width: int


class _Top:
    """The text of the top: buses, waiting registers, instances."""

    def __init__(self, plan: Spatial) -> None:
        self.plan = plan
        self.waits: dict[tuple[str, int], str] = {}
        self.crossing: dict[str, str] = {}  # behind the skid buffer -> before it
        self.wires = [_Wire(f"{plan.names[name]}_data", plan.bits(name)) for name in plan.times]
        self.instances: list[dict[str, Any]] = []
        self.moves = [(f"{plan.names[move.name]}_data", self._moved(move)) for move in plan.moves]
        for block in plan.blocks:
            self._block(block)

    def at(self, name: str, time: int) -> str:
        """A value as it is known at a time, behind registers where it was there before."""
        late, plan = time - self.plan.times[name], self.plan
        if not late:
            return f"{plan.names[name]}_data"
        wire = f"{plan.names[name]}_data_{late}"
        if (name, late) not in self.waits:
            self.waits[name, late] = wire
            self.wires.append(_Wire(wire, plan.bits(name)))
            self._wait(name, time, wire)
        return wire

    def _wait(self, name: str, time: int, wire: str) -> None:
        """What gives a value at a later time than it is there: registers, the skid buffer, or one behind the other."""
        plan = self.plan
        crosses, behind = plan.crosses(name, time), plan.cut + 1
        if crosses and time == behind:
            self.crossing[wire] = self.at(name, plan.cut)
            return
        since = behind if crosses else plan.times[name]
        ports = {"clk_i": "clk_i", "advance_i": _enable(plan, time), "data_i": self.at(name, since), "data_o": wire}
        parameters = {"Width": plan.bits(name), "Cycles": time - since}
        self.instances.append(_instance("flow_delay", f"u_wait__{wire}", f"{name!r} waits", parameters, ports))

    def _moved(self, move: Move) -> str:
        """The bus of a value that consists of codes of others."""
        plan, values = self.plan, self.plan.graph.values
        buses = [self.at(name, plan.times[move.name]) for name in move.reads]
        lane, formats = values[move.name].format.width, [values[name].format for name in move.reads]
        if move.is_alias:
            return buses[0]
        parts = []
        for source in reversed(move.sources):
            if source is None:
                parts.append(f"{lane}'d0")
                continue
            bus, form, lift = buses[source[0]], formats[source[0]], move.lifts[source[0]]
            parts.append(_widened(f"{bus}[{source[1] * form.width}+:{form.width}]", form, lift, lane))
        return f"{{{', '.join(parts)}}}"

    def _block(self, block: Block) -> None:
        plan, module, read = self.plan, module_of(self.plan, block), start(block, self.plan.times)
        sources, result = [self.at(name, read) for name in block.reads], f"{plan.names[block.name]}_data"
        if block.taps is None:
            ports = self._clocked(block, {"data_i": _joined(sources[::-1]), "data_o": result})
            self.instances.append(_instance(module, f"u_{plan.names[block.name]}", _title(block), {}, ports))
            return
        source, lane = plan.graph.values[block.reads[0]], plan.graph.values[block.name].format.width
        for place, (taps, results) in enumerate(zip(block.taps, block.places, strict=True)):
            ports = {"data_i": _slices(sources[0], taps, source.format.width), "data_o": _slices(result, results, lane)}
            name = f"u_{plan.names[block.name]}__{place}"
            self.instances.append(_instance(module, name, f"position {place}", {}, self._clocked(block, ports)))

    def _clocked(self, block: Block, ports: dict[str, str]) -> dict[str, str]:
        return {"clk_i": "clk_i", "advance_i": _enable(self.plan, self.plan.times[block.name]), **ports}

    def skid(self) -> dict[str, Any]:
        """Buses on both sides of the buffer, and bits of all of them."""
        widths = {wire.name: wire.width for wire in self.wires}
        before, behind = (_joined(list(names)) for names in (self.crossing.values(), self.crossing))
        return {"before": before, "behind": behind, "bits": sum(widths[wire] for wire in self.crossing)}


def _enable(plan: Spatial, time: int) -> str:
    """What moves the registers that hold a sample at a time."""
    return "advance" if time <= plan.cut else "drain"


def _joined(buses: Sequence[str]) -> str:
    return f"{{{', '.join(buses)}}}" if len(buses) > 1 else buses[0]


def _widened(code: str, form: FixedPoint, lift: int, width: int) -> str:
    """A code of `form` moved left, as wide as the lane that it goes to."""
    if not lift and form.width == width:
        return code
    lifted = f"{{{code}, {lift}'d0}}" if lift else code
    return f"{width}'($signed({lifted}))" if form.signed else f"{width}'({lifted})"


def _instance(
    module: str, name: str, comment: str, parameters: dict[str, int], ports: dict[str, str]
) -> dict[str, Any]:
    return {"module": module, "name": name, "comment": comment, "parameters": parameters, "ports": ports}


def _slices(bus: str, places: Sequence[int], width: int) -> str:
    """Codes of a bus side by side, the first in the lowest bits."""
    parts = (f"{bus}[{place * width}+:{width}]" if place >= 0 else f"{width}'d0" for place in reversed(places))
    return f"{{{', '.join(parts)}}}"


def module_of(plan: Spatial, block: Block) -> str:
    """Name of the block's module."""
    return f"{plan.design}_block_{plan.names[block.name]}"


def _title(block: Block) -> str:
    origins = sorted({node.origin for node in block.nodes if node.origin})
    return " -> ".join(node.name for node in block.nodes) + (f", from {', '.join(origins)}" if origins else "")


def _block_context(plan: Spatial, block: Block) -> dict[str, Any]:
    values = plan.graph.values
    if block.taps is None:
        width_in, lanes = sum(plan.bits(name) for name in block.reads), values[block.name].size
    else:
        width_in, lanes = len(block.taps[0]) * values[block.reads[0]].format.width, len(block.places[0])
    return {
        "module": module_of(plan, block),
        "title": _title(block),
        "choice": block.choice,
        "neurons": block.neurons,
        "cycles": block.body.cycles,
        "width_in": width_in,
        "width_out": lanes * values[block.name].format.width,
        "body": block.body,
    }


def _top_context(plan: Spatial) -> dict[str, Any]:
    top, source = _Top(plan), plan.graph.input.name
    outputs = [
        {
            "prefix": plan.axis(name),
            "tdata": tdata_bits(plan.bits(name)),
            "data": top.at(name, plan.latest),
        }
        for name in plan.graph.outputs
    ]
    return {
        "top": plan.top,
        "design": plan.design,
        "latency_cycles": plan.latency_cycles,
        "stages": plan.latest,
        "cut": plan.cut,
        "skid": top.skid(),
        "input": {"name": plan.names[source], "bits": plan.bits(source), "tdata": tdata_bits(plan.bits(source))},
        "outputs": outputs,
        "graph_text": [printable(line) for line in to_text(plan.graph).splitlines()],
        "wires": top.wires,
        "streams": [(plan.names[name], time) for name, time in plan.times.items()],
        "moves": top.moves,
        "instances": top.instances,
    }


def _stream_entry(plan: Spatial, name: str) -> dict[str, Any]:
    node, value = plan.graph[name], plan.graph.values[name]
    return {
        "node": name,
        "op": node.op,
        "origin": node.origin,
        "signal": plan.names[name],
        "shape": list(value.shape),
        "order": {"shape": list(value.shape), "axes": list(range(len(value.shape)))},
        "lanes": value.size,
        "width": value.format.width,
        "signed": value.format.signed,
        "beats": 1,
        "cycles": 1,
    }


def _metadata(plan: Spatial) -> str:
    content = {
        "design": plan.design,
        "architecture": "spatial",
        "depth": plan.depth,
        "dsp": plan.multipliers.count,
        "adder": plan.multipliers.adder,
        "top": plan.top,
        "input": plan.graph.input.name,
        "outputs": {name: plan.axis(name) for name in plan.graph.outputs},
        "ii_cycles": 1,
        "latency_cycles": plan.latency_cycles,
        "instances": max((len(block.places) for block in plan.blocks), default=0),
        "choices": {block.name: asdict(block.choice) for block in plan.blocks if block.choice},
        "truth_tables": {block.name: asdict(block.neurons) for block in plan.blocks if block.neurons},
        "streams": [_stream_entry(plan, name) for name in plan.times],
    }
    return json.dumps(content, indent=1) + "\n"


def export_spatial(graph: Graph, depth: int = DEFAULT_DEPTH, dsp: int = 0, adder: bool = False) -> Files:
    """The spatial design of a graph as SystemVerilog.

    Args:
        graph: with one input.
        depth: carry chains between two registers inside a block; 0 for registers at its output only.
        dsp: DSPs at most that take products of dense layers: as many as save LUTs by the cost model.
        adder: whether the additions behind those are taken to be in the DSPs too, see `Multipliers`.

    Returns:
        `cells/*.sv`, one module for each block, the top, `filelist.f` (relative, in compile order), `stream.json`.

    Raises:
        ExportError: constants of 25 bits and more, minifloats of 6 exponent bits and more, or a value without codes.
    """
    plan, known = plan_spatial(graph, depth, dsp, adder), templates("flow.exporters.verilog.spatial")
    made: dict[str, str] = {}
    for block in plan.blocks:
        text = known.get_template("unit.sv.j2").render(_block_context(plan, block))
        made[f"{module_of(plan, block)}.sv"] = text
    made[f"{plan.top}.sv"] = known.get_template("top.sv.j2").render(_top_context(plan))
    files: Files = {**needed_cells(made.values()), **made}
    files["filelist.f"] = "".join(f"{name}\n" for name in files)
    files[METADATA] = _metadata(plan)
    return files
