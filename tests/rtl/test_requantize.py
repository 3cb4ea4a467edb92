"""flow_requantize against flow.formats.cast: every input code, every rounding, every overflow, shifts of both signs."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from flow import resources
from flow.formats import FixedPoint, Overflow, Rounding, cast
from flow.simulation.rtl_verilator import ProgramJob, run_program


@dataclass(frozen=True)
class Cast:
    """One instance: source and target formats and the modes."""

    source: FixedPoint
    target: FixedPoint
    rounding: Rounding
    overflow: Overflow


# Dropped bits from more than the input has to none, and lifted ones; results narrower, as wide and wider.
SHAPES = [
    ("s5.3", "s3.1"), ("s5.3", "u3.1"), ("u5.3", "s3.1"), ("u5.3", "u3.1"), ("s6.0", "s4.1"), ("u6.0", "u4.-1"),
    ("s4.2", "s3.-4"), ("u4.2", "s3.-3"), ("s4.0", "s2.0"), ("s3.0", "s7.2"), ("s3.1", "u2.2"), ("s1.0", "s1.0"),
    ("u1.1", "s1.0"), ("s7.4", "s1.2"), ("s7.5", "s4.1"), ("u7.5", "u4.0"),
]  # fmt: skip
# Eight bits: dropped are 3, 4, 5, none, -2 and, with the sign too, 9.
EIGHT = [("s8.4", "s4.1"), ("u8.7", "u4.3"), ("u8.4", "s4.-1"), ("s8.5", "u5.5"), ("s8.2", "s8.4"), ("s8.1", "s3.-8")]
# From three bits more than the result has to two more than the input has.
SHIFTS = [(f"{x}8.4", f"{y}5.{4 - shift}") for x in "su" for y in "su" for shift in range(-3, 11)]


def casts(shapes: list[tuple[str, str]]) -> list[Cast]:
    found = []
    for (source, target), rounding, overflow in itertools.product(shapes, Rounding, Overflow):
        x, y = FixedPoint.parse(source), FixedPoint.parse(target)
        if overflow is not Overflow.WRAP_SM or y.signed:
            found.append(Cast(x, y, rounding, overflow))
    return found


def instance(number: int, case: Cast) -> str:
    x, y = case.source, case.target
    return (
        f"  logic [{y.width}-1:0] y{number};\n"
        f"  flow_requantize #(.InWidth({x.width}), .InSigned({int(x.signed)}), .Shift({x.frac - y.frac}), "
        f".OutWidth({y.width}), .OutSigned({int(y.signed)}), .Rounding({list(Rounding).index(case.rounding)}), "
        f".Overflow({list(Overflow).index(case.overflow)})) u{number} (.data_i(code_q[{x.width}-1:0]), "
        f".data_o(y{number}));\n"
    )


def bench(cases: list[Cast]) -> str:
    """Counts through all codes of the widest input and writes one line of results each."""
    shown = "".join(f'      $fwrite(file, " %0d", y{number});\n' for number in range(len(cases)))
    width = max(case.source.width for case in cases)
    return (
        f"module bench (input logic clk_i);\n  logic [{width}-1:0] code_q = '0;\n  int file;\n"
        + "".join(instance(number, case) for number, case in enumerate(cases))
        + '  initial file = $fopen("codes.txt", "w");\n'
        + f'  always @(posedge clk_i) begin\n{shown}      $fwrite(file, "\\n");\n'
        + "    code_q <= code_q + 1'b1;\n    if (&code_q) begin\n      $fclose(file);\n      $finish;\n    end\n  end\n"
        + "endmodule\n"
    )


def compared(cases: list[Cast], scratch: Path) -> int:
    """How many codes the cell casts as `flow.formats.cast` does, all of every case, in every mode."""
    folder = resources.folder("rtl")
    sources = {name: (folder / name).read_text() for name in ("flow_pkg.sv", "flow_requantize.sv")}
    job = ProgramJob({**sources, "bench.sv": bench(cases)}, "bench", args=("--no-timing",))
    text = (run_program(job, scratch) / "codes.txt").read_text()
    table = np.array([line.split() for line in text.splitlines()], dtype=np.int64)
    count = 0
    for number, case in enumerate(cases):
        x, y = case.source, case.target
        raw = np.arange(1 << x.width)
        codes = np.where(raw > x.high, raw - (1 << x.width), raw)
        got = table[: 1 << x.width, number]
        actual = np.where(got > y.high, got - (1 << y.width), got)
        np.testing.assert_array_equal(actual, cast(codes, x.frac, y, case.rounding, case.overflow), err_msg=str(case))
        count += len(codes)
    assert {(c.rounding, c.overflow) for c in cases} == set(itertools.product(Rounding, Overflow))
    return count


def test_every_code_in_every_mode(tmp_path):
    cases = casts(SHAPES)
    assert compared(cases, tmp_path) == sum(1 << case.source.width for case in cases) == 22_932


def test_every_code_of_eight_bits(tmp_path):
    assert compared(casts(EIGHT), tmp_path) == 256 * 7 * (4 * 5 + 2 * 4)


@pytest.mark.slow
def test_every_code_of_eight_bits_for_every_shift(tmp_path):
    assert compared(casts(SHIFTS), tmp_path) == 256 * 7 * 14 * 2 * (5 + 4)
