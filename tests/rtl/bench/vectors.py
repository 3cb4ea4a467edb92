"""Chosen inputs of combinational cells too wide for every input, in one Verilator build."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from flow.estimation.characterise import rtl_sources
from flow.simulation.rtl_verilator import ProgramJob, run_program


@dataclass(frozen=True)
class Sampled:
    """An instance of a cell, what goes into it, and what must come out.

    Attributes:
        module: its module.
        parameters: by name.
        inputs: width of every input port.
        outputs: width of every output port.
        given: values of every input port, as many as there are vectors.
        wanted: values of every output port; of which only the port's bits count.
    """

    module: str
    parameters: Mapping[str, int]
    inputs: Mapping[str, int]
    outputs: Mapping[str, int]
    given: Mapping[str, Sequence[int]]
    wanted: Mapping[str, Sequence[int]]

    @property
    def count(self) -> int:
        return len(next(iter(self.given.values())))


def _packed(ports: Mapping[str, int], values: Mapping[str, Sequence[int]], index: int) -> int:
    """The values of all ports as one number, the first port in the lowest bits."""
    number, low = 0, 0
    for name, width in ports.items():
        number |= (int(values[name][index]) & ((1 << width) - 1)) << low
        low += width
    return number


def _ports(ports: Mapping[str, int], bus: str) -> str:
    shown, low = [], 0
    for name, width in ports.items():
        shown.append(f".{name}({bus}[{low}+:{width}])")
        low += width
    return ", ".join(shown)


def _instance(number: int, case: Sampled) -> str:
    parameters = ", ".join(f".{name}({value})" for name, value in case.parameters.items())
    into, out = sum(case.inputs.values()), sum(case.outputs.values())
    return (
        f"  logic [{into}-1:0] x{number}, all{number}[{case.count}];\n  logic [{out}-1:0] y{number};\n"
        f'  initial $readmemh("given{number}.hex", all{number});\n'
        f"  assign x{number} = all{number}[int'(place_q) % {case.count}];\n"
        f"  {case.module} #({parameters}) u{number} ({_ports(case.inputs, f'x{number}')}, "
        f"{_ports(case.outputs, f'y{number}')});\n"
    )


def _bench(cases: Sequence[Sampled]) -> str:
    shown = "".join(f'      $fdisplay(file, "%h", y{number});\n' for number in range(len(cases)))
    return (
        "module bench (input logic clk_i);\n  int place_q = 0;\n  int file;\n"
        + "".join(_instance(number, case) for number, case in enumerate(cases))
        + '  initial file = $fopen("found.hex", "w");\n'
        + f"  always @(posedge clk_i) begin\n{shown}    place_q <= place_q + 1;\n"
        + f"    if (place_q == {max(case.count for case in cases) - 1}) begin\n      $fclose(file);\n      $finish;\n"
        + "    end\n  end\nendmodule\n"
    )


def sampled(cases: Sequence[Sampled], scratch: Path) -> int:
    """How many vectors were compared, all equal."""
    files = {
        f"given{number}.hex": "".join(f"{_packed(case.inputs, case.given, i):x}\n" for i in range(case.count))
        for number, case in enumerate(cases)
    }
    job = ProgramJob(rtl_sources() | {"bench.sv": _bench(cases)}, "bench", files=files, args=("--no-timing",))
    lines = (run_program(job, scratch) / "found.hex").read_text().split()
    for number, case in enumerate(cases):
        found = [int(line, 16) for line in lines[number :: len(cases)]][: case.count]
        wanted = [_packed(case.outputs, case.wanted, i) for i in range(case.count)]
        wrong = [i for i in range(case.count) if found[i] != wanted[i]][:4]
        assert not wrong, f"{case.module} {dict(case.parameters)}: vectors {wrong} differ"
    return sum(case.count for case in cases)
