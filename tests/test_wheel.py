"""The built wheel works outside the checkout: it brings the cells, the templates, the boards and the recipes."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

PROGRAM = """
import pathlib, sys
import flow
from flow.exporters.hls import export_hls
from flow.exporters.verilog import export_verilog
from flow.estimation import list_boards
from flow.formats import FixedPoint
from flow.ir import Dense, Graph, Input, Tensor
from flow.recipe import built_in_recipes
import numpy as np

assert pathlib.Path(flow.__file__).is_relative_to(sys.argv[1]), flow.__file__
form = FixedPoint.parse("s4.2")
weight = Tensor(np.arange(8).reshape(2, 4) - 4, form)
graph = Graph("g", (Input(name="x", shape=(4,), format=form), Dense(name="y", inputs=("x",), weight=weight)), ("y",))
print(len(export_hls(graph)), len(export_verilog(graph)), len(list_boards()), len(built_in_recipes()))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, cwd=folder)
    (built,) = folder.glob("qfx_flow-*.whl")
    return built


def test_it_holds_every_hand_written_file(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    for name in ("rtl", "hls_templates", "boards"):
        files = [path for path in (ROOT / name).iterdir() if path.is_file()]
        assert len(files) > 5
        assert {f"flow/_data/{name}/{path.name}" for path in files} <= held
    assert {f"flow/recipes/{path.name}" for path in (ROOT / "flow" / "recipes").glob("*.yaml")} <= held
    assert {"flow/training/kernels/cast.cpp", "flow/training/kernels/fake_quantize.h"} <= held
    assert not any(name.startswith("tests/") for name in held)


def test_it_works_outside_the_checkout(wheel: Path, tmp_path: Path) -> None:
    place = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(place)
    environment = {**os.environ, "PYTHONPATH": str(place)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(place)], cwd=tmp_path, env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    files = [int(count) for count in done.stdout.split()]
    assert len(files) == 4
    assert min(files) >= 2
