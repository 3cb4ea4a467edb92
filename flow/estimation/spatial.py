"""The cost of a spatial design: the operations that its blocks list, by width, and the bits that its registers hold.

What a design consists of, additions first, has coefficients from small designs that are synthesised whole
(`generated.py`). The solver of the constant matrices runs
as part of it, so an estimate takes as long as that does: milliseconds for tens of neurons, seconds for hundreds.
"""

from __future__ import annotations

from collections.abc import Mapping

from flow.estimation.calibrate import carries, luts
from flow.estimation.cost import LayerCost, Usage
from flow.estimation.forms_spatial import spatial_counted
from flow.estimation.inventory import KEYS, block_features, dsp_features, port_features
from flow.exporters.verilog.spatial import Spatial
from flow.exporters.verilog.spatial.flat import Flat, flattened
from flow.exporters.verilog.spatial.inventory import inventory
from flow.exporters.verilog.spatial.registers import Registers, absorbed_bits, registers
from flow.ir import Graph
from flow.synthesis import Family

__all__ = ["spatial_layers"]

_FORM = "spatial"


def _usage(features: Mapping[str, int], ff: int, dsp: int, family: Family) -> tuple[dict[str, float], Usage]:
    whole = {**dict.fromkeys(KEYS, 0), **features}
    parts = {**luts(_FORM, whole, family), **spatial_counted(whole, family)}
    return parts, Usage(round(sum(parts.values())), ff, dsp, carry=round(carries(_FORM, whole, family)))


def _blocks(flat: Flat, held: Registers, family: Family) -> dict[str, tuple[dict[str, int], int, int]]:
    """By the name of a block what its logic grows with, bits of its registers, and DSPs.

    Yosys puts the sum beside a product and the registers around both into a DSP48E1, and leaves them outside of others.
    """
    takes_all, items = family is Family.XC7, inventory(flat)
    features, dsps = block_features(flat, items), dsp_features(flat, items, adds=takes_all)
    found = {}
    for part in flat.parts:
        name = part.block.name
        count, more = dsps[name]
        added = {key: features[name][key] + more.get(key, 0) for key in features[name]}
        found[name] = added, held.blocks[name] - (absorbed_bits(part) if takes_all else 0), count
    return found


def spatial_layers(graph: Graph, plan: Spatial, family: Family) -> tuple[LayerCost, ...]:
    """The cost of every node; a block's stands at the node that it ends with, the ports' at the input."""
    flat = flattened(plan)
    held = registers(flat)
    blocks = _blocks(flat, held, family)
    source, layers = plan.graph.input.name, []
    for node in graph:
        features, ff, dsp = blocks.get(node.name, ({}, 0, 0))
        ff += held.waits.get(node.name, 0)
        if node.name == source:
            features = port_features(flat, held)
            ff += held.ports + held.control
        parts, usage = _usage(features, ff, dsp, family)
        live = node.name in plan.times
        layers.append(LayerCost(node.name, node.op, usage if live else Usage(), int(live), parts=parts))
    return tuple(layers)
