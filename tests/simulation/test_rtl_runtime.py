"""What Verilator builds share: kept once for a user, read by every later build, and not needed."""

from pathlib import Path

import pytest

from flow import tools
from flow.simulation.rtl_runtime import Runtime
from flow.simulation.rtl_verilator import ProgramJob, run_program

BENCH = """module bench (input logic clk_i);
  always @(posedge clk_i) begin
    $display("%0d", {value});
    $finish;
  end
endmodule
"""
ARGS = ("--no-timing",)


def run(folder: Path, value: int) -> str:
    """The makefile of a program that is built there."""
    run_program(ProgramJob({"bench.sv": BENCH.format(value=value)}, "bench", args=ARGS), folder)
    return (folder / "sim" / "Vtop.mk").read_text()


@pytest.mark.slow
def test_what_a_build_makes_serves_the_next_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert "-include" not in run(tmp_path / "first", 1)
    (kept,) = (tmp_path / "cache" / "flow").iterdir()
    (header,) = kept.glob("*.h")
    assert {f"{header.name}.gch", "verilated.o"} <= {path.name for path in kept.iterdir()}
    dates = {path: path.stat().st_mtime_ns for path in kept.iterdir()}
    assert f"-include {header}" in run(tmp_path / "second", 2)
    assert {path: path.stat().st_mtime_ns for path in kept.iterdir()} == dates
    sim = tmp_path / "second" / "sim"
    (sim / "Vtop__ALL.o").unlink()
    environment = {**tools.verilator_environment(), "MAKEFLAGS": ""}
    shown = ["OPT_FAST=-O0 -H -Winvalid-pch", "Vtop__ALL.o"]  # g++ marks the precompiled header that it reads
    said = tools.run(["make", "-C", sim, "-f", "Vtop.mk", *shown], env=environment)
    assert f"! {header}.gch" in said


def test_what_cannot_be_kept_or_named_in_a_makefile_is_left_out(tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "verilated.o").write_bytes(b"")
    Runtime(tmp_path / "file" / "kept", ("verilated.h",), "key").keep(tmp_path, "none.mk", {})
    kept = Runtime(tmp_path / "a home", ("verilated.h",), "key")
    kept.keep(tmp_path, "none.mk", {})  # no makefile to precompile with
    assert {path.name for path in kept.folder.iterdir()} == {"verilated.o", "runtime-key.h"}
    (kept.folder / "runtime-key.h.gch").write_bytes(b"")
    assert kept.options == ()
    kept.folder.rename(tmp_path / "home")
    assert Runtime(tmp_path / "home", kept.headers, kept.key).options == (
        "-CFLAGS",
        f"-include {tmp_path / 'home' / 'runtime-key.h'}",
    )
