"""LUTs and carry cells of the array multiplier beside Yosys' own: `*` as it is, and through its `booth` pass.

An ECP5 carry cell (CCU2C) holds two LUT4s, which are not among its LUTs here.
"""

from __future__ import annotations

from dataclasses import dataclass

from common import Row, arguments, publish

from flow import resources
from flow.synthesis import Area, Family, synthesise, tool

FLOW = "flow_mul_array"
PARTS = ("flow_mul_table", "flow_mul_row", FLOW)
# A product as a designer writes it, kept out of the DSPs.
STAR = """
module star #(
    parameter int AWidth = 8, parameter int BWidth = 8, parameter int ASigned = 1, parameter int BSigned = 1,
    localparam int PWidth = AWidth + BWidth
) (input logic [AWidth-1:0] a_i, input logic [BWidth-1:0] b_i, output logic [PWidth-1:0] p_o);
  if (ASigned != 0 && BSigned != 0) begin : gen_signed
    assign p_o = $signed(a_i) * $signed(b_i);
  end else if (ASigned != 0) begin : gen_left
    assign p_o = $signed(a_i) * $signed({1'b0, b_i});
  end else if (BSigned != 0) begin : gen_right
    assign p_o = $signed({1'b0, a_i}) * $signed(b_i);
  end else begin : gen_unsigned
    assign p_o = a_i * b_i;
  end
endmodule
"""
WIDTHS = [(width, width) for width in range(2, 9)] + [(8, 4), (4, 8), (8, 6)]
SIGNS = {(1, 1): "signed", (0, 0): "unsigned", (1, 0): "signed x unsigned"}


@dataclass(frozen=True)
class Shape:
    """One multiplier."""

    a: int
    b: int
    a_signed: int
    b_signed: int

    @property
    def name(self) -> str:
        return f"shape_{self.a}_{self.b}_{self.a_signed}_{self.b_signed}"

    def module(self, inner: str) -> str:
        parameters = f".AWidth({self.a}), .BWidth({self.b}), .ASigned({self.a_signed}), .BSigned({self.b_signed})"
        return (
            f"module {self.name} (input logic [{self.a - 1}:0] a_i, input logic [{self.b - 1}:0] b_i, "
            f"output logic [{self.a + self.b - 1}:0] p_o);\n"
            f"  {inner} #({parameters}) u_mul (.a_i(a_i), .b_i(b_i), .p_o(p_o));\nendmodule\n"
        )


def measured(inner: str, shapes: list[Shape], family: Family, booth: bool) -> dict[str, Area]:
    """Areas of all shapes in one run, by name: each stays a module of its own."""
    folder = resources.folder("rtl")
    ports = ", ".join(f"output logic [{shape.a + shape.b - 1}:0] {shape.name}_p" for shape in shapes)
    calls = "".join(
        f"  {shape.name} u_{shape.name} (.a_i(a_i[{shape.a - 1}:0]), .b_i(b_i[{shape.b - 1}:0]), "
        f".p_o({shape.name}_p));\n"
        for shape in shapes
    )
    top = f"module top (input logic [7:0] a_i, input logic [7:0] b_i, {ports});\n{calls}endmodule\n"
    sources = {f"{name}.sv": (folder / f"{name}.sv").read_text() for name in PARTS}
    sources["top.sv"] = STAR + "".join(shape.module(inner) for shape in shapes) + top
    keep = [shape.name for shape in shapes]
    without = () if booth else ("booth",)
    found = synthesise(sources, "top", family, keep=keep, dsp=False, without=without).module_areas
    return {name: found[name] for name in keep}


def family_rows(family: Family, shapes: list[Shape]) -> list[Row]:
    """LUTs, inverters included as nothing absorbs one in front of a carry chain, and carry cells."""
    whos = {
        "flow": measured(FLOW, shapes, family, booth=True),
        "Yosys *": measured("star", shapes, family, booth=False),
        "Yosys * with booth": measured("star", shapes, family, booth=True),
    }
    rows = []
    for shape in shapes:
        case = f"{family.value} {shape.a}x{shape.b} {SIGNS[shape.a_signed, shape.b_signed]}"
        luts = {who: areas[shape.name].lut + areas[shape.name].inverter for who, areas in whos.items()}
        rows += [Row(case, who, value, "LUT", value / luts["flow"]) for who, value in luts.items()]
        rows += [Row(case, who, areas[shape.name].carry, "carry") for who, areas in whos.items()]
    return rows


def main() -> None:
    parser = arguments(__doc__ or "")
    families = [family.value for family in Family]
    parser.add_argument("--families", nargs="+", choices=families, default=["xc7", "ecp5"])
    args = parser.parse_args()
    shapes = [Shape(*widths, *signs) for signs in SIGNS for widths in WIDTHS]
    rows = [row for family in args.families for row in family_rows(Family(family), shapes)]
    publish(f"Multipliers in logic, {tool()}", rows, ("pyosys",), args.json)


if __name__ == "__main__":
    main()
