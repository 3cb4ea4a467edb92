"""Icarus Verilog reads the RTL: every cell, the stream cells in every shape that the tests drive, whole designs.

    python -m tests.rtl.icarus          # or `make icarus`

Then it runs some of the designs of both architectures. It knows four values, so a register that nothing has written
shows as X: no handshake may be X after reset, no beat that moves may hold an X, and every stream must be that of
`flow.ir`. What the sender says between its beats is X as well.

Icarus is no package of pip (Debian: apt-get install iverilog), so this is a command and not a test. Exit status 1
unless all of it is elaborated without a word and all that runs is right.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

from flow import tools
from flow.errors import FlowError, ToolError
from flow.estimation.characterise import rtl_sources
from flow.exporters.verilog import export_verilog
from flow.exporters.verilog.spatial import export_spatial
from flow.exporters.writer import Files, write_tree
from flow.ir import Graph, trace
from flow.simulation.rtl_beats import Project, read_project
from tests.graphs import mixed_graph, mlp_graph, random_codes, resnet_graph
from tests.ir.random_graphs import drawn
from tests.rtl.test_streams import harness_sources

GRAPHS = 40  # random ones, of every operator
RUN = 8  # of them in simulation
SAMPLES = 4
BEATS = 32  # at least, where a sample takes fewer cycles, so that stalls reach every register
RESET_CYCLES = 4


def said(folder: Path, top: str) -> str:
    """What Icarus has to say about the files of a folder; nothing where it reads them."""
    files = [line for line in (folder / "filelist.f").read_text().split("\n") if line]
    try:
        return tools.run(["iverilog", "-g2012", "-t", "null", "-s", top, *files], cwd=folder)
    except ToolError as error:
        return f"{error}\n"


def listed(sources: Files) -> Files:
    return {**sources, "filelist.f": "".join(f"{name}\n" for name in sources)}


def projects() -> dict[str, tuple[str, Files]]:
    """Top and files by name."""
    sources = rtl_sources()
    found = {name[:-3]: (name[:-3], listed(sources)) for name in sources if name != "flow_pkg.sv"}
    found["stream cells"] = ("harness", listed(harness_sources()))
    for graph in (mlp_graph(), resnet_graph(), mixed_graph(), *(drawn(seed) for seed in range(GRAPHS))):
        found[f"{graph.name}, streaming"] = (f"{graph.name}_top", export_verilog(graph))
        if graph.name != "resnet":  # unrolled, it is a million lines
            found[f"{graph.name}, spatial"] = (f"{graph.name}_top", export_spatial(graph, 2))
    return found


def simulated() -> dict[str, tuple[Graph, Files]]:
    """Graph and files by name."""
    small = (mlp_graph(sizes=(6, 8, 4)), resnet_graph(size=4, channels=4), mixed_graph())
    found = {}
    for graph in (*small, *(drawn(seed) for seed in range(RUN))):
        found[f"{graph.name} simulated, streaming"] = (graph, export_verilog(graph))
        if graph.name != "resnet":
            found[f"{graph.name} simulated, spatial"] = (graph, export_spatial(graph, 2))
    return found


def bench(project: Project, cycles: int, beats: int) -> str:
    """A testbench that sends `beats.hex` with pauses, shows every beat that moves, and every cycle with an X beside."""
    source = project.streams[project.input]
    ports = "".join(
        f"  logic [{8 * project.streams[name].beat_bytes - 1}:0] {prefix}_tdata;\n"
        f"  logic {prefix}_tvalid, {prefix}_tready = 1'b0, {prefix}_tlast;\n"
        for name, prefix in project.outputs.items()
    )
    bound = "".join(
        f", .{prefix}_{port}({prefix}_{port})"
        for prefix in project.outputs.values()
        for port in ("tdata", "tvalid", "tready", "tlast")
    )
    shown = [(stream.signal, f"u_dut.{stream.signal}_", "") for stream in project.streams.values()]
    shown += [(f"port_{prefix}", f"{prefix}_", "t") for prefix in project.outputs.values()]
    known = ", ".join(f"{place}{t}{signal}" for _, place, t in shown for signal in ("valid", "ready"))
    moves = "".join(
        f'      if ({place}{t}valid && {place}{t}ready) $display("beat {name} %h", {place}{t}data);\n'
        for name, place, t in shown
    )
    turns = "".join(f"    {prefix}_tready = $random;\n" for prefix in project.outputs.values())
    lasts = "".join(
        f"      if ({prefix}_tvalid && {prefix}_tlast === 1'bx) "
        f'$display("unknown {prefix}_tlast in cycle %0d", cycle);\n'
        for prefix in project.outputs.values()
    )
    return (
        f"module bench;\n  logic clk = 1'b0, rst_n = 1'b0, tvalid = 1'b0, moved = 1'b0, tlast, tready, frame_error;\n"
        f"  logic [{8 * source.beat_bytes - 1}:0] tdata, beats[0:{beats - 1}];\n  int sent = 0, cycle = 0;\n{ports}"
        f"  {project.top} u_dut (.clk_i(clk), .rst_ni(rst_n), .s_axis_tdata(tdata), .s_axis_tvalid(tvalid), "
        f".s_axis_tready(tready), .s_axis_tlast(tlast), .frame_error_o(frame_error){bound});\n"
        '  initial begin\n    $readmemh("beats.hex", beats);\n    forever #5 clk = ~clk;\n  end\n'
        "  always @(negedge clk) begin\n    cycle = cycle + 1;\n"
        f"    rst_n = cycle > {RESET_CYCLES};\n    if (cycle > {cycles}) $finish;\n"
        "    if (moved || !tvalid) begin\n"
        f"      tvalid = rst_n && sent < {beats} && ($random & 3) != 0;\n"
        f"      tdata = tvalid ? beats[sent] : 'x;\n"
        f"      tlast = tvalid ? sent % {source.beats} == {source.beats - 1} : 1'bx;\n"
        f"      if (tvalid) sent = sent + 1;\n    end\n{turns}  end\n"
        "  always @(posedge clk) begin\n    moved = tvalid && tready;\n    if (rst_n) begin\n"
        f'      if (^{{tready, {known}}} === 1\'bx) $display("unknown handshake in cycle %0d", cycle);\n'
        f'      if (frame_error !== 1\'b0) $display("frame error in cycle %0d", cycle);\n'
        f"{lasts}{moves}    end\n  end\nendmodule\n"
    )


def wrong(graph: Graph, folder: Path) -> str:
    """What is wrong with an exported design in simulation; nothing where every stream is exact and known."""
    project = read_project(graph, folder)
    samples = max(SAMPLES, BEATS // project.ii_cycles)
    codes = random_codes(graph, samples)
    sent, place = project.input_beats(codes), folder.parent / "bench"
    files = [f"../{folder.name}/{name}" for name in (folder / "filelist.f").read_text().split()]
    cycles = RESET_CYCLES + 8 * (project.ii_cycles * samples + project.latency_cycles) + 200
    write_tree(place, {"bench.sv": bench(project, cycles, len(sent)), "beats.hex": "".join(f"{b:x}\n" for b in sent)})
    tools.run(["iverilog", "-g2012", "-s", "bench", "-o", "bench.vvp", *files, "bench.sv"], cwd=place)
    lines = [line.split() for line in tools.run(["vvp", "-n", "bench.vvp"], cwd=place).splitlines()]
    told = [" ".join(line) for line in lines if line[:1] != ["beat"] and "$finish" not in " ".join(line)]
    if told:
        return "".join(f"{line}\n" for line in told[:8])
    expected = trace(graph, codes)
    streams = {stream.signal: name for name, stream in project.streams.items()}
    streams |= {f"port_{prefix}": name for name, prefix in project.outputs.items()}
    for signal, name in streams.items():
        words = [word for _, found, word in (line for line in lines if line[:1] == ["beat"]) if found == signal]
        if unknown := [word for word in words if not set(word) <= set("0123456789abcdef")]:
            told.append(f"{signal}: {len(unknown)} of {len(words)} beats hold X, such as {unknown[0]}")
        elif not np.array_equal(project.codes(name, [int(word, 16) for word in words], samples), expected[name]):
            told.append(f"{signal}: the codes differ from those of the interpreter")
    return "".join(f"{line}\n" for line in told[:8])


def ran(graph: Graph, folder: Path) -> str:
    """`wrong`, and what a tool or a stream that stops says."""
    try:
        return wrong(graph, folder)
    except FlowError as error:
        return f"{error}\n"


def main() -> int:
    tools.program("iverilog")  # named where it is missing, before anything is exported
    tools.program("vvp")
    failed, count = 0, 0
    checks = [(name, files, lambda at, top=top: said(at, top)) for name, (top, files) in projects().items()]
    checks += [(name, files, lambda at, graph=graph: ran(graph, at)) for name, (graph, files) in simulated().items()]
    for name, files, check in checks:
        with tempfile.TemporaryDirectory() as folder:
            write_tree(Path(folder) / "rtl", files)
            words = check(Path(folder) / "rtl")
        count += 1
        if words:
            failed += 1
            print(f"{name}:\n{words}")  # noqa: T201
    print(f"{count - failed} of {count} read, {len(simulated())} of them simulated")  # noqa: T201
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
