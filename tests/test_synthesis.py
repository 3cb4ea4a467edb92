"""The recipe gives the figures the project was planned with, on every family, flat or by module."""

from __future__ import annotations

import re

import pytest

from flow.errors import ToolError
from flow.synthesis import Area, Family, recipe, synthesise, tool

MULTIPLIER = """
module multiplier #(parameter int W = 8) (input signed [W-1:0] a_i, b_i, output signed [2*W-1:0] p_o);
  assign p_o = a_i * b_i;
endmodule
"""
LAYERS = """
(* use_dsp = "no" *)
module fabric #(parameter int W = 8) (input signed [W-1:0] a_i, b_i, output signed [2*W-1:0] p_o);
  assign p_o = a_i * b_i;
endmodule
module layer #(parameter int W = 8) (input clk_i, input signed [W-1:0] a_i, b_i, output reg signed [2*W-1:0] p_o);
  wire signed [2*W-1:0] p;
  fabric #(.W(W)) u_mul (.a_i(a_i), .b_i(b_i), .p_o(p));
  always_ff @(posedge clk_i) p_o <= p;
endmodule
module pair (input clk_i, input signed [7:0] a_i, b_i, c_i, d_i, output signed [15:0] p_o, q_o, output [31:0] r_o);
  layer #(.W(8)) u_a (.clk_i(clk_i), .a_i(a_i), .b_i(b_i), .p_o(p_o));
  layer #(.W(8)) u_b (.clk_i(clk_i), .a_i(c_i), .b_i(d_i), .p_o(q_o));
  assign r_o = p_o * q_o;
endmodule
"""


# Measured with Yosys 0.70 when the project was planned: signed W x W multipliers without DSPs.
@pytest.mark.parametrize(
    ("width", "lut"),
    [pytest.param(4, 21, marks=pytest.mark.slow), pytest.param(6, 50, marks=pytest.mark.slow), (8, 95)],
)
def test_multipliers_cost_what_the_planning_measured(width, lut):
    result = synthesise({"m.sv": MULTIPLIER}, "multiplier", Family.XCUP, parameters={"W": width}, dsp=False)
    assert result.area == Area(lut=lut, carry=width // 2)
    assert result.tool == tool() == "pyosys 0.70"
    assert "booth" in result.recipe.splitlines()


@pytest.mark.slow
def test_without_booth_the_same_multiplier_takes_134_luts(monkeypatch):
    steps = tuple(step for step in recipe(Family.XCUP, dsp=False) if step != "booth")
    monkeypatch.setattr("flow.synthesis.recipe", lambda family, **_: steps)
    assert synthesise({"m.sv": MULTIPLIER}, "multiplier", Family.XCUP, dsp=False).area.lut == 134


@pytest.mark.parametrize("family", list(Family))
def test_one_dsp_on_every_family(family):
    assert synthesise({"m.sv": MULTIPLIER}, "multiplier", family, dsp=True).area == Area(dsp=1)


@pytest.mark.parametrize(("family", "lut"), [(Family.XC7, 95), (Family.ICE40, 127), (Family.ECP5, 170)])
def test_a_module_can_refuse_dsps_and_be_kept(family, lut):
    result = synthesise({"cells/l.sv": LAYERS}, "pair", family, keep=("layer",), dsp=True)
    layer = next(area for name, area in result.module_areas.items() if "layer" in name)
    assert (layer.lut, layer.ff, layer.dsp) == (lut, 16, 0)
    assert (result.area.lut, result.area.ff, result.area.dsp) == (2 * lut, 32, 1)


def test_the_hierarchy_adds_up():
    result = synthesise({"l.sv": LAYERS}, "pair", Family.XC7, flatten=False, dsp=False)
    fabric = next(area for name, area in result.module_areas.items() if "fabric" in name)
    assert fabric == Area(lut=95, carry=4)
    assert sum("$paramod" in name for name in result.modules) == 2
    assert result.module_areas["pair"] == result.area


def test_the_netlist_holds_cells_only():
    text = synthesise({"m.sv": MULTIPLIER}, "multiplier", Family.XC7, dsp=False, netlist=True).netlist
    assert text is not None and "LUT6 " in text
    assert not re.search(r"always|\*\s*\\?b_i", text)


def test_yosys_errors_reach_the_user():
    with pytest.raises(ToolError, match=r"python failed with exit status 1; its last lines:(.|\n)*syntax error"):
        synthesise({"m.sv": "module m(; endmodule"}, "m", Family.XC7)


def test_an_unknown_cell_is_not_counted_as_nothing():
    latch = "module latch(input e_i, d_i, output reg q_o); always_latch if (e_i) q_o = d_i; endmodule"
    message = "Yosys left cell 'LDCE', which has no row in the area table; add it to flow.synthesis."
    with pytest.raises(ToolError, match=f"^{re.escape(message)}$"):
        _ = synthesise({"m.sv": latch}, "latch", Family.XC7).area
