"""What a spatial design consists of, against its text and against what synthesis makes of it."""

from __future__ import annotations

import re

import numpy as np
import pytest

from flow.exporters.verilog.spatial import export_spatial, plan_spatial
from flow.exporters.verilog.spatial.blocks import Block
from flow.exporters.verilog.spatial.design import module_of
from flow.exporters.verilog.spatial.flat import flattened
from flow.exporters.verilog.spatial.inventory import ADDERS, Item, inventory
from flow.exporters.verilog.spatial.registers import Registers, registers
from flow.formats import Rounding
from flow.ir import Conv2d, Dense, Graph, Input, Requantize, Tensor
from flow.synthesis import Family, synthesise
from tests.graphs import fmt, mlp_graph, random_graph
from tests.ir.every_operator import every_operator


def by_hand() -> Graph:
    """`y = saturate((7 x0 - 2 x1) >> 2)` of unsigned codes of four bits."""
    weight = Tensor(np.array([[7, -2]]), fmt("s4.0"))
    cast = Requantize(name="y", inputs=("fc",), format=fmt("s4.-2"), rounding=Rounding.TRN)
    source = Input(name="x", shape=(2,), format=fmt("u4.0"))
    return Graph("by_hand", (source, Dense(name="fc", inputs=("x",), weight=weight), cast), ("y",))


def test_what_three_lines_consist_of():
    """8 x0 + ~x0 has one place in common, and with 2 x1 four; what that is too much is taken off once."""
    unsigned = (False, False)
    assert inventory(flattened(plan_spatial(by_hand(), 0))) == [
        Item("y", "sum", 7, 4, 1, (4, 4), unsigned, (3, 0)),
        Item("y", "sum", 8, 7, 4, (7, 4), unsigned, (0, 1)),
        Item("y", "less", 8, 8, 0, (8,), (False,), (120,)),
        Item("y", "saturated", 4, 0, 0, (6,), (True,), (-8, 7)),
    ]
    assert registers(flattened(plan_spatial(by_hand(), 0))) == Registers({"y": 4}, {}, 8 + 2 * 4, 1)


@pytest.mark.parametrize("graph", [every_operator(), random_graph(3), random_graph(6)], ids=lambda graph: graph.name)
def test_every_operation_of_the_text_is_listed(graph: Graph):
    plan, files = plan_spatial(graph), export_spatial(graph)
    whole = [block for block in plan.blocks if block.taps is None]
    text = "".join(str(files[f"{module_of(plan, block)}.sv"]) for block in whole)
    found = [item for item in inventory(flattened(plan)) if item.block in {block.name for block in whole}]

    def count(*kinds: str) -> int:
        return len([item for item in found if item.kind in kinds])

    assert len(re.findall(r"^  flow_requantize ", text, re.M)) == count("cell")
    assert len(re.findall(r"^  flow_mul_array ", text, re.M)) == count("times")
    assert len(re.findall(r" w\d+_at;", text)) == count("entry")
    assert len(re.findall(r" w\d+_entry;", text)) == count("looked_up")
    assert len(re.findall(r"^  assign w\d+ = .* [+-] ", text, re.M)) == count(*ADDERS, "looked_up")


def convolution(size: tuple[int, int], kernel: tuple[int, int], pad: tuple[int, int], weight: list[int]) -> Graph:
    """One channel of unsigned codes of two bits."""
    constants = Tensor(np.array(weight).reshape(1, 1, *kernel), fmt("s4.0"))
    source = Input(name="x", shape=(1, *size), format=fmt("u2.0"))
    return Graph("conv", (source, Conv2d(name="y", inputs=("x",), weight=constants, padding=pad)), ("y",))


def test_what_the_padding_leaves_out_is_not_counted():
    """Windows (0, a), (a, b), (b, c), (c, 0): two additions, the others are a and c themselves."""
    plan = plan_spatial(convolution((1, 3), (1, 2), (0, 1), [1, 1]), 0)
    assert inventory(flattened(plan)) == [Item("y", "sum", 3, 3, 2, (2, 2), (False, False), (0, 0))] * 2
    assert registers(flattened(plan)).blocks == {"y": 2 + 3 + 3 + 2}


def test_what_positions_have_in_common_is_counted_once():
    """Each of three windows (a, b) adds 4a + b to what is made of a; the registers that hold b are those of others."""
    plan = plan_spatial(convolution((1, 4), (1, 2), (0, 0), [5, 5]), 1)
    found = inventory(flattened(plan))
    assert [item.kind for item in found] == ["sum"] * 6  # a + b, and 4 times that on top of it
    assert registers(flattened(plan)).blocks == {"y": 3 * (3 + 5)}


def test_registers_of_a_padded_convolution_are_those_of_the_netlist():
    sums, flags = convolution((2, 3), (2, 2), (1, 1), [3, -7, 5, 2]), 4
    cast = Requantize(name="z", inputs=("y",), format=fmt("u3.0"), rounding=Rounding.TRN)
    graph = Graph("conv", (*sums.nodes, cast), ("z",))
    plan = plan_spatial(graph, 2)
    sources = {name: str(text) for name, text in export_spatial(graph, 2).items() if name.endswith(".sv")}
    area = synthesise(sources, plan.top, Family.XC7).area
    held, alone = registers(flattened(plan)), sum(len(block.places) * _carried(block) for block in plan.blocks)
    assert 0.95 <= held.total / (area.ff - flags) <= 1.05
    assert sum(held.blocks.values()) < 0.9 * alone  # what as many modules would hold that know nothing of each other


def _carried(block: Block) -> int:
    return sum(word.form.width * (last - first + 1) for word, first, last in block.body.kept)


@pytest.mark.parametrize(("depth", "least"), [(0, 1.0), (2, 0.85)])
def test_registers_are_those_of_the_netlist(depth: int, least: float):
    """The ports' own flags come on top; bits that a sum copies are held twice inside a block, which is seen."""
    graph, flags = mlp_graph(seed=2, sizes=(4, 4, 2)), 4
    held = registers(flattened(plan_spatial(graph, depth)))
    sources = {name: str(text) for name, text in export_spatial(graph, depth).items() if name.endswith(".sv")}
    area = synthesise(sources, f"{graph.name}_top", Family.XC7).area
    assert held.waits == {}
    assert least * held.total <= area.ff - flags <= held.total


def test_additions_stay_carry_chains_fed_without_inverters():
    """105 LUTs and 31 inverters for 102 places; compressors take 120 LUTs, inverting either summand 36 of 100."""
    weight = Tensor(np.array([[-3, 5, -9, 7, -11, 13, -6, 1], [7, 3, -5, 1, -9, 2, 11, -6]]), fmt("s5.0"))
    source = Input(name="x", shape=(8,), format=fmt("u4.0"))
    graph = Graph("chain", (source, Dense(name="y", inputs=("x",), weight=weight)), ("y",))
    plan = plan_spatial(graph, 0)
    places = sum(item.shared for item in inventory(flattened(plan)))
    assert {item.kind for item in inventory(flattened(plan))} == {"sum", "plus", "less"}
    block = {name: str(text) for name, text in export_spatial(graph, 0).items() if "_block_" in name}
    area = synthesise(block, f"{plan.design}_block_y", Family.XC7).area
    assert 0 < places <= area.lut < 1.05 * places
    assert area.inverter < 0.33 * places
