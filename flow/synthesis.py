"""The one synthesis recipe: every area figure of the project comes out of `synthesise`, and carries its `recipe`.

The recipe is part of the figure: without Yosys' `booth` pass an 8x8 signed multiplier takes 134 LUTs instead of 95.
`booth` rewrites `$mul` cells, so it must come after `wreduce` has found the true operand widths and after the DSP
mapper has taken its share, but before `alumacc` turns what is left into array multipliers.
"""

from __future__ import annotations

import json
import re
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import Any

from flow import tools
from flow.errors import ToolError
from flow.exporters.writer import write_tree

__all__ = ["CARRY_LUTS", "Area", "Family", "Synthesis", "recipe", "synthesise", "tool"]

# Yosys may abort its process, so it never runs in ours. -P keeps the scratch folder off the import path.
_CHILD = "import sys; from pyosys import libyosys as y; y.run_pass('script ' + sys.argv[1], y.Design())"
_TIMEOUT_SECONDS = 1800.0


class Family(Enum):
    """FPGA families with a mapping; the values are the names the boards use."""

    XC7 = "xc7"
    XCUP = "xcup"
    ECP5 = "ecp5"
    ICE40 = "ice40"
    GOWIN = "gowin"


# LUTs inside a carry cell, which the count of LUTs does not hold: CCU2C has two, ALU is one.
CARRY_LUTS = {Family.ECP5: 2, Family.GOWIN: 1}


@dataclass(frozen=True, slots=True)
class _Target:
    """One Yosys synthesis command and the labels between which `booth` belongs.

    Attributes:
        command: the command with the options that never change.
        dsp: the option that allows DSPs, or forbids them.
        dsp_label: where the DSP mapper starts, or None where it cannot be run apart from the rest of `coarse`.
        flatten: options for a flat and for a hierarchical run.
        end: the label behind the mapped netlist.
    """

    command: str
    dsp: Mapping[bool, str]
    dsp_label: str | None
    flatten: Mapping[bool, str]
    end: str = "edif"


_PREPARE = ("scratchpad -set abc9.verify false", "proc", "opt_expr", "opt_clean", "wreduce", "peepopt", "opt_clean")
_FABRIC = "flow_fabric"  # attribute of a multiplier cell that must stay out of the DSPs
_NODSP = {True: "", False: " -nodsp"}
_XILINX_FLAT = {True: " -flatten", False: ""}
_OTHER_FLAT = {True: "", False: " -noflatten"}
_TARGETS = {
    Family.XC7: _Target("synth_xilinx -family xc7 -noiopad -noclkbuf", _NODSP, "map_dsp", _XILINX_FLAT),
    Family.XCUP: _Target("synth_xilinx -family xcup -noiopad -noclkbuf", _NODSP, "map_dsp", _XILINX_FLAT),
    Family.ECP5: _Target("synth_lattice -family ecp5", _NODSP, None, _OTHER_FLAT),
    Family.ICE40: _Target("synth_ice40", {True: " -dsp", False: ""}, None, _OTHER_FLAT),
    Family.GOWIN: _Target("synth_gowin -family gw1n -noiopads", _NODSP, None, _OTHER_FLAT, "vout"),
}


def recipe(family: Family, *, flatten: bool = True, dsp: bool = True, bram: bool = True) -> tuple[str, ...]:
    """The Yosys commands after `hierarchy`, up to the mapped netlist.

    Multipliers of modules with the attribute `use_dsp = "no"` never become DSPs. Where `dsp` is allowed, ECP5,
    iCE40 and Gowin apply `booth` to those modules only: their DSP mapper cannot be run apart from what follows it.
    """
    target = _TARGETS[family]
    command = f"{target.command}{target.dsp[dsp]}{target.flatten[flatten]}{'' if bram else ' -nobram'}"
    prepare = (*_PREPARE, f"setattr -set {_FABRIC} 1 A:use_dsp=no t:$mul %i")
    if target.dsp_label is None:
        chosen = f"booth a:{_FABRIC}" if dsp else "booth"
        flat = ("flatten", "opt_expr", "opt_clean", "wreduce", "opt_clean") if flatten and not dsp else ()
        return (*prepare, *flat, chosen, f"{command} -run begin:{target.end}")
    return (
        *prepare,
        f"{command} -run begin:{target.dsp_label}",
        f"chtype -set $__soft_mul a:{_FABRIC}",
        f"{command} -run {target.dsp_label}:coarse",
        "chtype -set $mul t:$__soft_mul",
        "booth",
        f"{command} -run coarse:{target.end}",
    )


@dataclass(frozen=True, slots=True)
class Area:
    """Resources of a mapped design.

    Attributes:
        lut: look-up tables with 6 inputs (4 on ECP5, iCE40 and Gowin), those used as memory or shift register included.
        ff: flip-flops.
        dsp: DSP blocks.
        bram: block RAMs, in blocks of 36 Kbit on Xilinx and in the family's own blocks elsewhere.
        carry: carry cells (CARRY4: four bits each; CCU2C: two; SB_CARRY and ALU: one).
        inverter: inverters, which place and route absorbs into neighbours; not part of `lut`.
    """

    lut: int = 0
    ff: int = 0
    dsp: int = 0
    bram: float = 0.0
    carry: int = 0
    inverter: int = 0


# Cell name, the resource it takes, and how many of it. LUT counts of memory cells: UG474 and UG574, distributed RAM.
_WEIGHTS: tuple[tuple[str, str, Fraction], ...] = tuple(
    (pattern, resource, Fraction(weight))
    for pattern, resource, weight in (
        (r"LUT[1-6]|SB_LUT4", "lut", 1),
        (r"SRL16E|SRLC16E|SRLC32E|RAM(32|64)X1S", "lut", 1),
        (r"RAM(32|64)X1D|RAM128X1S", "lut", 2),
        (r"RAM(32|64)M|RAM128X1D|RAM256X1S|TRELLIS_DPR16X4|RAM16SDP4", "lut", 4),
        (r"RAM16SDP1", "lut", 1),
        (r"RAM16SDP2", "lut", 2),
        (r"RAM(32M16|64M8|64X8SW)|RAM(256X1D|512X1S)", "lut", 8),
        (r"FD[RSCP]E(_1)?|TRELLIS_FF|SB_DFF\w*|DFF\w*", "ff", 1),
        (r"DSP48E[12]|MULT(18X18|9X9)[CD]|SB_MAC16|MULT(9X9|18X18|36X36)", "dsp", 1),
        (r"RAMB36E[12]|DP16KD|PDPW16KD|SB_RAM40_4K\w*|(SD?P|DP)[BX9]+|pROM(X9)?", "bram", 1),
        (r"RAMB18E[12]", "bram", "1/2"),
        (r"CARRY[48]|CCU2C|SB_CARRY|ALU", "carry", 1),
        (r"INV", "inverter", 1),
    )
)
# Cells that take nothing we count: multiplexers beside the LUTs, buffers, constants.
_FREE = re.compile(r"MUXF[5-9]|PFUMX|MUX2_LUT[5-8]|L6MUX21|BUFG\w*|[IO]BUF|VCC|GND|VHI|VLO|\$scopeinfo")


def _area(cells: Mapping[str, int]) -> Area:
    total: dict[str, Fraction] = {}
    for cell, count in cells.items():
        rows = [(resource, weight) for pattern, resource, weight in _WEIGHTS if re.fullmatch(pattern, cell)]
        if not rows and not _FREE.fullmatch(cell):
            raise ToolError(f"Yosys left cell {cell!r}, which has no row in the area table; add it to flow.synthesis.")
        for resource, weight in rows:
            total[resource] = total.get(resource, Fraction(0)) + weight * count
    counts = {name: int(total.get(name, 0)) for name in ("lut", "ff", "dsp", "carry", "inverter")}
    return Area(bram=float(total.get("bram", 0)), **counts)


@dataclass(frozen=True, slots=True)
class Synthesis:
    """What one run of the recipe gave.

    Attributes:
        cells: mapped cells of the whole design, everything below the top included.
        modules: the same for every module left in the hierarchy, everything below it included, by module name.
        netlist: the mapped netlist as Verilog, where it was asked for.
        netlist_json: the same as Yosys' JSON, which place and route reads, where it was asked for.
        seconds: wall-clock time of the run.
        recipe: the Yosys commands, one a line.
        tool: name and version.
    """

    cells: dict[str, int]
    modules: dict[str, dict[str, int]]
    netlist: str | None
    seconds: float
    recipe: str
    tool: str
    netlist_json: str | None = None

    @property
    def area(self) -> Area:
        """Resources of the whole design."""
        return _area(self.cells)

    @property
    def module_areas(self) -> dict[str, Area]:
        """Resources by module."""
        return {name: _area(cells) for name, cells in self.modules.items()}


def tool() -> str:
    """Name and version of the synthesiser; area moves with it."""
    return f"pyosys {version('pyosys')}"


def _script(
    files: Sequence[str],
    top: str,
    parameters: Mapping[str, int],
    keep: Sequence[str],
    steps: Sequence[str],
    netlist: bool,
    netlist_json: bool,
) -> str:
    chparams = "".join(f" -chparam {name} {value}" for name, value in parameters.items())
    lines = [f"read_verilog -sv -defer {' '.join(files)}", f"hierarchy -check -top {top}{chparams}"]
    lines += [f"setattr -mod -set keep_hierarchy 1 {name} A:hdlname={name}" for name in keep]
    lines += [*steps, "clean -purge", f"rename -top {top}", "tee -q -o stat.json stat -json"]
    if netlist_json:
        lines.append("write_json netlist.json")
    if netlist:
        # Nets of one bit each: simulators handle thousands of them, but crawl over slices of wide ones.
        lines += ["splitnets", "write_verilog -noattr netlist.v"]
    return "\n".join(lines) + "\n"


def _below(name: str, modules: Mapping[str, Any]) -> dict[str, int]:
    """Cells of a module and of everything it instantiates."""
    total: dict[str, int] = {}
    for cell, count in modules[name]["num_cells_by_type"].items():
        inner = _below(cell, modules) if cell in modules else {cell: 1}
        for kind, number in inner.items():
            total[kind] = total.get(kind, 0) + count * number
    return total


def synthesise(
    sources: Mapping[str, str],
    top: str,
    family: Family,
    *,
    parameters: Mapping[str, int] | None = None,
    flatten: bool = True,
    keep: Sequence[str] = (),
    dsp: bool = True,
    bram: bool = True,
    netlist: bool = False,
    netlist_json: bool = False,
    without: Sequence[str] = (),
    scratch: Path | None = None,
    timeout: float = _TIMEOUT_SECONDS,
) -> Synthesis:
    """Map a design onto a family with the one recipe.

    Args:
        sources: relative path to SystemVerilog text, packages first.
        top: name of the top module.
        family: which cells to map onto.
        parameters: overrides of the top's parameters.
        flatten: whether logic moves across module boundaries.
        keep: modules that stay whole in a flat run, so that each has its own row in `Synthesis.modules`.
        dsp: whether multipliers may become DSPs.
        bram: whether memories may become block RAMs.
        netlist: whether to return the mapped netlist.
        netlist_json: whether to return it as JSON for `flow.place_and_route`.
        without: steps of the recipe to leave out, to measure what they bring.
        scratch: where to run; a temporary folder by default.
        timeout: seconds of wall clock after which Yosys is ended.

    Raises:
        ToolError: Yosys rejects the sources, takes longer, or leaves a cell that the area table does not know.
    """
    steps = [step for step in recipe(family, flatten=flatten, dsp=dsp, bram=bram) if step not in without]
    with nullcontext(str(scratch)) if scratch else tempfile.TemporaryDirectory(prefix="flow_synth_") as folder:
        place = Path(folder) / "synthesis"
        script = _script(tuple(sources), top, parameters or {}, keep, steps, netlist, netlist_json)
        write_tree(place, {**sources, "run.ys": script})
        start = time.perf_counter()
        tools.run(tools.python("-c", _CHILD, "run.ys"), cwd=place, timeout=timeout)
        seconds = time.perf_counter() - start
        found = json.loads((place / "stat.json").read_text())["modules"]
        text = (place / "netlist.v").read_text() if netlist else None
        cells = (place / "netlist.json").read_text() if netlist_json else None
    named = {name.removeprefix("\\"): entry for name, entry in found.items()}
    modules = {name: _below(name, named) for name in named}
    return Synthesis(modules[top], modules, text, seconds, "\n".join(steps), tool(), cells)
