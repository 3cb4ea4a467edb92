"""Place and route on an ECP5: a known pipeline, and what it refuses."""

from __future__ import annotations

import pytest

from flow.errors import ToolError
from flow.place_and_route import Placed, place_and_route, placer
from flow.synthesis import Family, Synthesis, synthesise

PIPELINE = """
module pipeline #(parameter int W = 4, parameter int Depth = 1) (
  input logic clk_i, input logic [W-1:0] a_i, b_i, output logic [W-1:0] y_o
);
  logic [W-1:0] a_q, b_q, y;
  always_comb begin
    y = a_q;
    for (int i = 0; i < Depth; i++) y = (y + b_q) ^ {y[0], y[W-1:1]};
  end
  always_ff @(posedge clk_i) begin
    a_q <= a_i;
    b_q <= b_i;
    y_o <= y;
  end
endmodule
"""


def mapped(text: str, top: str, **parameters: int) -> Synthesis:
    return synthesise({"m.sv": text}, top, Family.ECP5, parameters=parameters, netlist_json=True)


def placed(result: Synthesis, **options: int) -> Placed:
    assert result.netlist_json is not None
    return place_and_route(result.netlist_json, **options)


def test_more_logic_between_the_registers_is_slower():
    results = {depth: mapped(PIPELINE, "pipeline", W=12, Depth=depth) for depth in (1, 6)}
    found = {depth: placed(result) for depth, result in results.items()}
    for depth, result in results.items():
        area, used = result.area, found[depth].utilisation
        assert used["TRELLIS_FF"] == (area.ff, 24288) == (36, 24288)
        assert used["TRELLIS_COMB"][0] >= area.lut + 2 * area.carry
    assert 2 * found[6].fmax_mhz < found[1].fmax_mhz < 600
    assert found[1].tool == placer() == "nextpnr-ecp5 0.11.1.0.post826"
    assert found[1].recipe.split() == (
        "--25k --package CABGA381 --speed 6 --out-of-context --timing-allow-fail --quiet --freq 400 --seed 1".split()
    )


def test_the_same_seed_gives_the_same_place():
    result = mapped(PIPELINE, "pipeline", Depth=3)
    clocks = [placed(result, seed=seed).fmax_mhz for seed in (3, 3, 4)]
    assert clocks[0] == clocks[1] != clocks[2]


def test_a_device_that_does_not_exist():
    with pytest.raises(ToolError) as caught:
        place_and_route("{}", device="30k")
    assert str(caught.value) == "There is no ECP5 '30k'; choose among 12k, 25k, 45k, 85k."


def test_a_design_without_registers():
    text = "module gates (input logic a_i, b_i, output logic y_o); assign y_o = a_i ^ b_i; endmodule\n"
    with pytest.raises(ToolError) as caught:
        placed(mapped(text, "gates"))
    assert str(caught.value) == (
        "The placed design has 0 clocks with paths between registers, not one; put what is to be timed between "
        "registers of one clock."
    )


def test_what_nextpnr_says_is_passed_on():
    said = "python failed with exit status 125; its last lines:\nERROR: Failed to parse JSON file"
    with pytest.raises(ToolError, match=said):
        place_and_route("this is no netlist")
