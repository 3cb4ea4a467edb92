"""Where the skid buffer stands: every sample passes it once, where the fewest bits do."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

from flow.exporters.verilog.spatial import export_spatial, plan_spatial
from flow.exporters.verilog.spatial.blocks import Block
from flow.exporters.verilog.spatial.cut import code_bits
from flow.exporters.verilog.spatial.flat import flattened
from flow.exporters.verilog.spatial.registers import skid_bits
from flow.formats import Rounding
from flow.ir import Dense, Graph, Input, Requantize, Tensor
from flow.synthesis import Family, synthesise
from tests.exporters.test_verilog import forked_graph
from tests.graphs import fmt, mlp_graph, random_graph
from tests.ir.every_operator import every_operator
from tests.ir.random_graphs import drawn

GRAPHS = [every_operator(), forked_graph(), *(random_graph(seed) for seed in range(4)), *map(drawn, range(20))]


def layers(*sizes: int) -> Graph:
    """Dense layers of codes of two bits between them, and exact sums that leave."""
    nodes = [Input(name="x", shape=(sizes[0],), format=fmt("u4.0"))]
    for number, size in enumerate(sizes[1:]):
        weight = Tensor(np.random.default_rng(number).integers(-7, 8, (size, sizes[number])), fmt("s4.0"))
        nodes.append(Dense(name=f"fc{number}", inputs=(nodes[-1].name,), weight=weight))
        if number < len(sizes) - 2:
            form = {"format": fmt("u2.-4"), "rounding": Rounding.TRN}
            nodes.append(Requantize(name=f"cast{number}", inputs=(nodes[-1].name,), **form))
    return Graph("layers", tuple(nodes), (nodes[-1].name,))


@pytest.mark.parametrize(
    ("sizes", "place"), [((12, 3, 9), "cast0"), ((2, 16, 16, 8), "x"), ((12, 12, 3), "fc1"), ((16, 1), "fc0")]
)
def test_it_stands_behind_the_narrowest_value(sizes: tuple[int, ...], place: str):
    plan = plan_spatial(layers(*sizes))
    assert plan.times[place] == plan.cut
    live = [code_bits(*ends) for ends in plan.ranges[place]]
    assert skid_bits(flattened(plan)) == sum(live) == min(sum(code_bits(*e) for e in r) for r in plan.ranges.values())


@pytest.mark.parametrize("graph", GRAPHS, ids=lambda graph: graph.name)
def test_samples_pass_it_once(graph: Graph):
    """What is before it depends on nothing behind it, no block has begun there, and outputs leave behind it."""
    plan = plan_spatial(graph)
    for part in plan.parts:
        cycles = part.body.cycles if isinstance(part, Block) else 0
        start, end = plan.times[part.name] - cycles, plan.times[part.name]
        assert end <= plan.cut or start > plan.cut or not cycles
        assert end > plan.cut or all(plan.times[name] <= plan.cut for name in part.reads)
    assert plan.latest > plan.cut
    assert plan.latency_cycles == json.loads(str(export_spatial(graph)["stream.json"]))["latency_cycles"]


def combinational_sources(cells: dict[str, Any], bits: Iterable[int]) -> set[int]:
    """Every bit that some bits follow from within a clock cycle, by the mapped netlist; themselves included."""
    read: dict[int, list[int]] = {}
    for cell in cells.values():
        if cell["type"].startswith(("FD", "SRL")):  # flip-flops and shift registers
            continue
        ways = cell["port_directions"]
        ins = [bit for port, held in cell["connections"].items() if ways[port] == "input" for bit in held]
        read |= {bit: ins for port, held in cell["connections"].items() if ways[port] == "output" for bit in held}
    found, left = set[int](), [*bits]
    while left:
        bit = left.pop()
        if bit not in found:
            found.add(bit)
            left += read.get(bit, [])
    return found


@pytest.mark.parametrize(
    "graph", [mlp_graph(sizes=(6, 8, 4)), pytest.param(forked_graph(), marks=pytest.mark.slow)], ids=["mlp", "forked"]
)
def test_no_output_follows_from_the_ready_of_another_port_within_a_cycle(graph: Graph):
    """As AXI asks; by the netlist. What it does reach are the clock enables behind the buffer."""
    plan = plan_spatial(graph)
    assert 0 < len([block for block in plan.blocks if plan.times[block.name] <= plan.cut]) < len(plan.blocks)
    sources = {name: str(text) for name, text in export_spatial(graph).items() if name.endswith(".sv")}
    netlist = json.loads(synthesise(sources, plan.top, Family.XC7, netlist_json=True).netlist_json or "")
    module = netlist["modules"][plan.top]
    ports = {name: set(port["bits"]) for name, port in module["ports"].items()}
    readies = set.union(*(bits for name, bits in ports.items() if re.fullmatch(r"m_axis\w*_tready", name)))
    assert readies
    for name, port in module["ports"].items():
        if port["direction"] == "output":
            assert not readies & combinational_sources(module["cells"], port["bits"]), name
    enables = [cell["connections"]["CE"] for cell in module["cells"].values() if "CE" in cell["connections"]]
    assert readies <= combinational_sources(module["cells"], (bit for bits in enables for bit in bits))
