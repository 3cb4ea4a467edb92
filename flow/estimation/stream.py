"""The cost of a streaming design, instance by instance of the top that the exporter emits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from flow.estimation import moves, registers
from flow.estimation.calibrate import carries, luts
from flow.estimation.cost import LayerCost, Usage
from flow.estimation.forms import buffer_luts, folds, form_for_dot, memory_luts
from flow.estimation.forms_dsp import dsps_of, lanes_of, too_narrow, uses_dsps
from flow.estimation.forms_parts import ram_blocks
from flow.estimation.images import IMAGES, fixed_scale, product, scale_shift, table
from flow.estimation.layers import absorbed, instance_node
from flow.estimation.memory import block_rams, goes_to_block_ram
from flow.estimation.rom import RomShape, rom_shape
from flow.estimation.softmax import softmax
from flow.exporters.names import owner
from flow.exporters.verilog import Plan, Timing
from flow.exporters.verilog.constants import lookup_context, scale_shift_context, softmax_context, table_context
from flow.exporters.verilog.handshakes import Instance
from flow.exporters.verilog.instances import instances
from flow.exporters.verilog.layer import layer_context
from flow.exporters.verilog.products import Dsp
from flow.exporters.verilog.windows import is_depthwise
from flow.formats import Overflow, Rounding
from flow.ir import Concat, Graph, Linear, Lookup, Relu, Requantize, RequantizeEach, ScaleShift, Softmax, Table
from flow.synthesis import Family

__all__ = ["Parts", "dense_parts", "node_usages", "numeric", "rom_luts", "stream_layers"]

Parts = dict[str, float]  # LUTs by part
Parameters = Mapping[str, int]
Found = tuple[Parts, Usage]  # LUTs by part; the other resources

_MODES = {f"flow_pkg::ROUND_{mode.value}": index for index, mode in enumerate(Rounding)} | {
    f"flow_pkg::OVERFLOW_{mode.value}": index for index, mode in enumerate(Overflow)
}
_OPERATORS = "operators"  # that might have been DSPs
_SUMS = ("cascades", "adders", "code sums", "offsets", "weight sums", "missing bits")
_FACTORS = ("XWidth", "XSigned", "WWidth")

# Dropped bits that a rounding looks at; the other modes look at all of them.
_UNREAD = {Rounding.TRN: 0, Rounding.RND: 1}


def numeric(parameters: Mapping[str, int | str]) -> dict[str, int]:
    """Parameters with the constants of flow_pkg as their numbers, which are the order of the modes."""
    return {key: _MODES[value] if isinstance(value, str) else value for key, value in parameters.items()}


def rom_luts(rom: RomShape, family: Family) -> float:
    """LUTs of a ROM that is not block RAM."""
    return sum(luts("rom", {"Depth": rom.depth, "Columns": rom.columns}, family).values())


def _constants(roms: tuple[RomShape, ...], family: Family) -> tuple[float, Usage]:
    """LUTs of the ROMs of weights and biases, and what block RAM changes: only weights are read through a register, as
    it needs, and behind lines that lie side by side in it stands a choice.
    """
    weights, *rest = roms
    if not goes_to_block_ram(weights.width, weights.depth, family):
        return sum(rom_luts(rom, family) for rom in roms), Usage()
    shape = {"Depth": weights.depth, "Width": weights.width}
    choice, held = (sum(luts("rom, blocks", shape, family, key).values()) for key in ("lut", "ff"))
    blocks = Usage(ff=round(held) - weights.columns, bram=block_rams(weights.width, weights.depth, family))
    return choice + sum(rom_luts(rom, family) for rom in rest), blocks


def dense_parts(shape: Parameters, roms: tuple[RomShape, ...], family: Family) -> Found:
    """A generated layer: products and sums, accumulators, the kept vector, ROMs.

    Args:
        shape: parameters of flow_dense.
        roms: of the weights and of the biases.
        family: what it is mapped to.
    """
    lanes = lanes_of(shape)
    dsps = 0 if too_narrow(shape, family) else lanes.dsps(shape["Simd"])
    around = "flow_dense" if lanes.logic == shape["Pe"] else "flow_dense, dsp"
    rest = luts(around, shape, family)
    dot = luts(form_for_dot(shape), shape, family) if lanes.logic else {}
    roms_luts, blocks = _constants(roms, family)
    parts = {
        "products": lanes.logic * sum(value for part, value in dot.items() if part != "tree")
        + rest.get(_OPERATORS, 0.0),
        "adders": lanes.logic * dot.get("tree", 0.0) + sum(rest.get(part, 0.0) for part in _SUMS),
        "accumulators": rest["accumulators"],
        "input buffer": rest["input buffer"] + rest["choice"] + rest["primitives"] + buffer_luts(shape, family),
        "roms": roms_luts,
        "control": rest["counters"] + rest["wraps"] + rest["control"],
    }
    in_folds, out_folds = folds(shape)
    bram = ram_blocks(shape["Simd"] * shape["XWidth"], in_folds, family) if out_folds > 1 else 0.0
    carry = carries(around, shape, family) + lanes.logic * carries(form_for_dot(shape), shape, family)
    return parts, blocks + Usage(ff=registers.dense(shape, roms, family), dsp=dsps, bram=bram, carry=carry)


def depthwise_parts(shape: Parameters, roms: tuple[RomShape, ...], family: Family) -> Found:
    """A generated layer of one product a lane, whose vector nothing has to keep.

    Args:
        shape: parameters of flow_depthwise.
        roms: of the weights and of the biases.
        family: what it is mapped to.
    """
    operators = uses_dsps(shape)
    around = "flow_depthwise, dsp" if operators else "flow_depthwise"
    rest = luts(around, shape, family)
    one, chains = (0.0, 0.0) if operators else product({key: shape[key] for key in _FACTORS}, family)
    roms_luts, blocks = _constants(roms, family)
    parts = {
        "products": shape["Lanes"] * one + rest.get(_OPERATORS, 0.0),
        "accumulators": rest["accumulators"],
        "roms": roms_luts,
        "control": rest["counters"] + rest["wraps"] + rest["control"],
    }
    held = registers.depthwise(shape, roms, family)
    carry = carries(around, shape, family) + shape["Lanes"] * chains
    return parts, blocks + Usage(ff=held, dsp=dsps_of(shape, shape["Lanes"], family), carry=carry)


def _dropped_bits(plan: Plan, name: str) -> int:
    """Low bits of a code that no reader looks at, so that nothing keeps them: all that truncation drops, one less than
    rounding half up drops.
    """
    dropped = []
    for reader in plan.streams[name].readers:
        node = plan.graph[reader] if reader else None
        if isinstance(node, Relu):
            dropped.append(_dropped_bits(plan, reader))
        elif isinstance(node, Requantize | RequantizeEach) and node.rounding in _UNREAD:
            shift = plan.streams[name].value.format.frac - _finest(node)
            dropped.append(max(shift - _UNREAD[node.rounding], 0))
        else:
            dropped.append(0)
    return min(dropped, default=0)


def _finest(node: Requantize | RequantizeEach) -> int:
    """Fractional bits of a cast, the most that any place has."""
    return node.format.frac if isinstance(node, Requantize) else node.frac


def _layer(plan: Plan, node: Linear, family: Family, dsp: Dsp) -> Found:
    context: dict[str, Any] = layer_context(plan, node, dsp=dsp)
    roms = tuple(rom_shape(context[name].codes, context[name].code_width) for name in ("weight", "bias"))
    shape = context["parameters"]
    layer = depthwise_parts if is_depthwise(node) else dense_parts
    parts, usage = layer(shape, roms, family)
    unread = plan.folding[node.name].pe * _dropped_bits(plan, node.name)
    return parts, replace(usage, ff=usage.ff - unread)


def _cell(part: str, count: Callable[[Parameters, Family], int]) -> Callable[[str, Parameters, Family], Found]:
    """A cell whose whole LUTs go by one name."""

    def found(module: str, p: Parameters, family: Family) -> Found:
        parts = {part: sum(luts(module, p, family).values()) + memory_luts(module, p, family)}
        bram = ram_blocks(p["Width"], p["Depth"], family) if module == "flow_fifo" else 0.0
        return parts, Usage(ff=count(p, family), bram=bram, carry=carries(module, p, family))

    return found


def _quantize(module: str, p: Parameters, family: Family) -> Found:
    parts = {"casts": sum(luts(module, p, family).values())}
    return parts, Usage(ff=registers.quantize(p, family), carry=carries(module, p, family))


_CELLS: Mapping[str, Callable[[str, Parameters, Family], Found]] = {
    "flow_axis_in": _cell("stream", registers.axis_in),
    "flow_axis_out": _cell("stream", registers.axis_out),
    "flow_fifo": _cell("fifo", registers.fifo),
    "flow_fork": _cell("stream", registers.fork),
    "flow_argmax": _cell("comparators", registers.argmax),
    "flow_quantize_stream": _quantize,
}


def _scale_shift(plan: Plan, node: ScaleShift, family: Family, dsp: Dsp) -> Found:
    context = scale_shift_context(plan, node, dsp)
    p, scale, shift = (context[name] for name in ("parameters", "scale", "shift"))
    if p["Beats"] == 1 and not uses_dsps({**p, "WWidth": p["SWidth"]}):
        return fixed_scale(p, scale.codes.ravel().tolist(), shift.codes.ravel().tolist(), family)
    constants = sum(rom_luts(rom_shape(rom.codes, rom.code_width), family) for rom in (scale, shift))
    return scale_shift(p, constants, family)


def _table(plan: Plan, node: Table, family: Family) -> Found:
    context = table_context(plan, node)
    shape = {"Bits": context["code_width"], "Width": context["entry_width"]}
    return table(context["lanes"], shape["Width"], sum(luts("table", shape, family).values()))


def _lookup(plan: Plan, node: Lookup, family: Family) -> Found:
    context = lookup_context(plan, node)
    width, depth = context["entry_width"], 1 << context["code_width"]
    parts, usage = table(1, width, rom_luts(RomShape(depth, width, width), family))
    return parts, usage + Usage(ff=context["place_width"])


def _relu(plan: Plan, instance: Instance) -> Found:
    """One LUT a bit, but behind it in a cast: a bit of what is rounded, or of a limit, or what clears the register."""
    name, signed = instance_node(plan, instance), numeric(instance.parameters)["InSigned"]
    stream, reader = plan.streams[name], absorbed(plan, name)
    cast = plan.graph[reader] if reader else None
    gates = stream.value.format.width
    if isinstance(cast, Requantize):
        dropped = stream.value.format.frac - cast.format.frac
        kept, limit = gates - max(dropped, 0), cast.format.width - cast.format.signed
        rounds = dropped > 0 and cast.rounding is not Rounding.TRN
        gates = kept if rounds else limit if kept > limit and cast.overflow is Overflow.SAT else 1
    return {"gates": float(stream.lanes * gates * signed)}, Usage()


def _found(plan: Plan, instance: Instance, family: Family, dsp: Dsp) -> Found:
    node = plan.graph[instance_node(plan, instance)]
    for name, number in plan.moves:
        if instance.module == plan.move_module(name, number):
            return moves.move(plan, name, number, family)
    if instance.module == "flow_minifloat_stream":
        return moves.minifloat(numeric(instance.parameters), family)
    if instance.module in _CELLS:
        return _CELLS[instance.module](instance.module, numeric(instance.parameters), family)
    if instance.module in IMAGES:
        return IMAGES[instance.module](numeric(instance.parameters), family)
    if isinstance(node, Linear):
        return _layer(plan, node, family, dsp)
    if isinstance(node, ScaleShift):
        return _scale_shift(plan, node, family, dsp)
    if isinstance(node, Table):
        return _table(plan, node, family)
    if isinstance(node, Lookup):
        return _lookup(plan, node, family)
    if isinstance(node, Softmax):
        return softmax(softmax_context(plan, node, dsp)["parameters"], family)
    if isinstance(node, Concat):
        return moves.concat(plan, node, family)
    if isinstance(node, RequantizeEach):
        return moves.each(plan, node, family)
    return _relu(plan, instance)


def _nodes(graph: Graph, plan: Plan, family: Family, dsp: Dsp) -> dict[str, Found]:
    """What every node of `graph` takes; those that no output depends on take nothing."""
    found: dict[str, Found] = {node.name: ({}, Usage()) for node in graph}
    for instance in instances(plan):
        name = instance_node(plan, instance)
        parts, usage = _found(plan, instance, family, dsp)
        held, others = found[owner(graph, name)]
        for part, lut in parts.items():
            held[part] = held.get(part, 0.0) + lut
        found[owner(graph, name)] = held, others + usage
    return found


def node_usages(graph: Graph, plan: Plan, family: Family, dsp: Dsp = False) -> dict[str, Usage]:
    """What every node takes, LUTs not rounded."""
    found = _nodes(graph, plan, family, dsp)
    return {name: replace(usage, lut=sum(parts.values())) for name, (parts, usage) in found.items()}


def stream_layers(graph: Graph, plan: Plan, timing: Timing, family: Family, dsp: Dsp = False) -> tuple[LayerCost, ...]:
    """The cost of every node of `graph`; those that no output depends on cost nothing."""
    found = _nodes(graph, plan, family, dsp)
    return tuple(_layer_cost(plan, node.name, node.op, *found[node.name], timing.stages) for node in graph)


def _layer_cost(plan: Plan, name: str, op: str, parts: Parts, other: Usage, stages: Mapping[str, int]) -> LayerCost:
    usage = replace(other, lut=round(sum(parts.values())), carry=round(other.carry))
    fold = plan.folding.get(name)
    lanes = plan.streams[name].lanes if name in plan.streams else 0
    pe, simd = (fold.pe, fold.simd) if fold else (lanes, lanes)
    return LayerCost(name, op, usage, cycles=stages.get(name, 0), pe=pe, simd=simd, parts=parts)
