"""Build a design with Verilator and run one cocotb module on it; the child process of flow.simulation.

Usage: python build_and_run.py JOB.json, in the job's folder. The job: sources, top, parameters, build_dir, build_args,
build (whether to), module, python_path, plusargs, environment.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from cocotb_tools.check_results import get_results
from cocotb_tools.runner import get_runner


def _build(runner: Any, job: dict[str, Any]) -> None:
    runner.build(
        sources=[Path(name).resolve() for name in job["sources"]],
        hdl_toplevel=job["top"],
        build_dir=Path(job["build_dir"]).resolve(),
        build_args=job["build_args"],
        parameters=job["parameters"],
        timescale=("1ns", "1ps"),
    )


def main(job_file: str) -> int:
    """Build, run, and return 1 if a cocotb test failed."""
    job = json.loads(Path(job_file).read_text())
    os.environ.update(job["environment"])
    sys.path[:0] = job["python_path"]  # the runner hands this process's path to the simulator
    runner = get_runner("verilator")
    if job["build"]:
        _build(runner, job)
    results = runner.test(
        hdl_toplevel=job["top"],
        hdl_toplevel_lang="verilog",
        test_module=job["module"],
        build_dir=Path(job["build_dir"]).resolve(),
        test_dir=Path.cwd(),
        plusargs=job["plusargs"],
        results_xml=str(Path.cwd() / "results.xml"),
    )
    tests, failed = get_results(results)
    return int(failed > 0 or tests == 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
