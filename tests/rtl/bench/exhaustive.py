"""Every input of many combinational cells in one Verilator build: a counter drives them, a file takes it down."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.estimation.characterise import rtl_sources
from flow.simulation.rtl_verilator import ProgramJob, run_program

WORD = 32


@dataclass(frozen=True)
class Cell:
    """An instance of a cell of `rtl/`.

    Attributes:
        module: its module.
        parameters: by name.
        inputs: width of every input port; together they are the bits of one counter, the last port the lowest.
        output: name and width of the output port.
    """

    module: str
    parameters: Mapping[str, int]
    inputs: Mapping[str, int]
    output: tuple[str, int]

    @property
    def bits(self) -> int:
        return sum(self.inputs.values())


# A cell, and its output for all its inputs, int64[2**bits], or Python's integers where those are too narrow; of which
# only the bits of the output count.
Case = tuple[Cell, NDArray[Any]]


def _ports(cell: Cell) -> str:
    shown, low = [], 0
    for name, width in reversed(cell.inputs.items()):
        shown.append(f".{name}(code_q[{low}+:{width}])")
        low += width
    return ", ".join(shown)


def _instance(number: int, cell: Cell) -> str:
    parameters = ", ".join(f".{name}({value})" for name, value in cell.parameters.items())
    name, width = cell.output
    return (
        f"  logic [{width}-1:0] y{number};\n"
        f"  {cell.module} #({parameters}) u{number} ({_ports(cell)}, .{name}(y{number}));\n"
    )


def _words(cell: Cell) -> int:
    return -(-cell.output[1] // WORD)


def _bench(cells: Sequence[Cell]) -> str:
    """Counts through all inputs of the widest cell and writes the outputs of all cells as binary words."""
    width = max(cell.bits for cell in cells)
    words = [f"y{number}[{low}+:{min(WORD, cell.output[1] - low)}]"
             for number, cell in enumerate(cells) for low in range(0, cell.output[1], WORD)]  # fmt: skip
    shown = "".join(f'      $fwrite(file, "%u", {WORD}\'({word}));\n' for word in words)
    return (
        f"module bench (input logic clk_i);\n  logic [{width}-1:0] code_q = '0;\n  int file;\n"
        + "".join(_instance(number, cell) for number, cell in enumerate(cells))
        + '  initial file = $fopen("words.bin", "wb");\n'
        + f"  always @(posedge clk_i) begin\n{shown}"
        + "    code_q <= code_q + 1'b1;\n    if (&code_q) begin\n      $fclose(file);\n      $finish;\n    end\n  end\n"
        + "endmodule\n"
    )


def _outputs(cells: Sequence[Cell], scratch: Path) -> list[NDArray[np.uint32]]:
    """The output of each cell for all its inputs, [2**bits, words] each, the lowest word first."""
    sources = rtl_sources() | {"bench.sv": _bench(cells)}
    place = run_program(ProgramJob(sources, "bench", args=("--no-timing",)), scratch)
    table = np.fromfile(place / "words.bin", dtype="<u4").reshape(1 << max(cell.bits for cell in cells), -1)
    found, column = [], 0
    for cell in cells:
        found.append(table[: 1 << cell.bits, column : column + _words(cell)])
        column += _words(cell)
    return found


def _in_words(cell: Cell, values: NDArray[Any]) -> NDArray[np.uint32]:
    """What the cell should give, as `_outputs` has it."""
    low = range(0, cell.output[1], WORD)
    words = [wrapped(values >> place, min(WORD, cell.output[1] - place), False) for place in low]
    return np.stack(words, axis=1).astype(np.uint32)


def checked(cases: Sequence[Case], scratch: Path) -> Counter[str]:
    """How many values of each module were compared with what they should be, all equal."""
    compared: Counter[str] = Counter()
    for (cell, values), found in zip(cases, _outputs([cell for cell, _ in cases], scratch), strict=True):
        np.testing.assert_array_equal(found, _in_words(cell, values), err_msg=str(cell))
        compared[cell.module] += len(found)
    return compared


def wrapped(values: NDArray[Any], width: int, signed: bool) -> NDArray[Any]:
    """The lowest `width` bits of each value as a number.

    >>> wrapped(np.array([7, 8]), 4, True)
    array([ 7, -8])
    """
    low = values & ((1 << width) - 1)
    return low - (((low >> (width - 1)) & signed) << width)
