"""Whole nets as spatial designs: those that fit a device, under Verilator and as netlists; the jets' at full size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from flow.exporters.verilog.spatial import export_spatial
from flow.exporters.writer import write_tree
from flow.ir import trace
from flow.simulation.netlist import simulate_netlist
from flow.simulation.rtl import simulate_rtl
from flow.simulation.rtl_beats import read_project
from flow.simulation.rtl_program import stream_program
from tests.graphs import random_codes
from tests.nets import Design, design

pytestmark = pytest.mark.slow

# The others take 280,000 LUTs and more as shifts and additions, which are for the streaming architecture.
FITTING = ("jet_mlp", "conv1d", "branches", "autoencoder")


def exported(made: Design, folder: Path) -> Path:
    write_tree(folder / "rtl", export_spatial(made.graph))
    return folder / "rtl"


def assert_equal(found: dict[str, np.ndarray], made: Design, codes: np.ndarray) -> None:
    expected = trace(made.graph, codes)
    assert set(found) >= set(made.graph.outputs)
    for name, values in found.items():
        np.testing.assert_array_equal(values, expected[name], strict=True, err_msg=name)


@pytest.mark.parametrize("name", FITTING)
def test_nets_under_verilator(name: str, tmp_path: Path):
    made = design(name, 64)
    project = read_project(made.graph, exported(made, tmp_path))
    assert_equal(stream_program(project, made.codes, 0, tmp_path / "b", runs_long=False).codes, made, made.codes)


@pytest.mark.parametrize("name", ["jet_mlp", "conv1d"])  # 4 and 8 CPU minutes; on branches Yosys alone takes 6 and more
def test_netlists_of_nets(name: str, tmp_path: Path):
    made = design(name, 16)
    assert_equal(simulate_netlist(made.graph, exported(made, tmp_path), made.codes), made, made.codes)


def test_the_jets_at_full_size_with_pauses(tmp_path: Path):
    made = design("jet_mlp", 8, full=True)
    codes = random_codes(made.graph, 600)
    assert_equal(simulate_rtl(made.graph, exported(made, tmp_path), codes), made, codes)
