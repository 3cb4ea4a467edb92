"""Where the skid buffer stands: every sample passes it once, where the fewest bits do."""

from __future__ import annotations

import json

import numpy as np
import pytest

from flow.exporters.verilog.spatial import export_spatial, plan_spatial
from flow.exporters.verilog.spatial.blocks import Block
from flow.exporters.verilog.spatial.cut import code_bits
from flow.exporters.verilog.spatial.flat import flattened
from flow.exporters.verilog.spatial.registers import skid_bits
from flow.formats import Rounding
from flow.ir import Dense, Graph, Input, Requantize, Tensor
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


@pytest.mark.parametrize("graph", [mlp_graph(sizes=(6, 8, 4)), forked_graph()], ids=lambda graph: graph.name)
def test_no_ready_of_a_port_follows_from_that_of_another(graph: Graph):
    """What is before the buffer moves by the buffer's ready, which is a register; only what is behind it drains."""
    text = str(export_spatial(graph)[f"{graph.name}_top.sv"])
    plan = plan_spatial(graph)
    assert f"assign advance = ~valid[{plan.cut}] | room;" in text
    assert ".ready_o(room)" in text.split("flow_skid")[1].split(");")[0]
    before = [block for block in plan.blocks if plan.times[block.name] <= plan.cut]
    for block in plan.blocks:
        ports = text.split(f" u_{plan.names[block.name]} (")[1]
        wanted = "advance" if block in before else "drain"
        assert f".advance_i({wanted})" in ports.split(");")[0]
    assert before and len(before) < len(plan.blocks)
