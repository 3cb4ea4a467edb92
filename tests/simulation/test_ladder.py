"""The ladder on a whole design: green as it is, red where one weight or one rounding mode is broken, on every rung."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import flow
from flow.errors import SimulationError
from flow.exporters.writer import write_tree
from flow.formats import Rounding
from flow.ir import Dense, Graph, Requantize, Tensor, dump, load
from flow.lowering import encode_input
from flow.simulation.ladder import FOLDERS, RUNGS, Context, climb

EXPORTERS = {"onnx": "onnx", "hls": "hls", "rtl": "verilog", "hls4ml": "hls4ml"}
COUNT = 24


def other_weight(graph: Graph) -> Graph:
    """The last weight of the first Dense, one code up (or down where it is the highest)."""
    node = next(node for node in graph if isinstance(node, Dense))
    codes = node.weight.codes.copy()
    codes[-1, -1] += 1 if codes[-1, -1] < node.weight.format.high else -1
    return swapped(graph, replace(node, weight=Tensor(codes, node.weight.format)))


def other_rounding(graph: Graph) -> Graph:
    node = next(node for node in graph if isinstance(node, Requantize))
    return swapped(graph, replace(node, rounding=Rounding.TRN))


def swapped(graph: Graph, node) -> Graph:
    return replace(graph, nodes=tuple(node if old.name == node.name else old for old in graph.nodes))


MUTATIONS = {"weight": other_weight, "rounding": other_rounding}


@pytest.fixture(scope="module")
def design():
    torch.manual_seed(1)
    model = torch.nn.Sequential(torch.nn.Linear(8, 6), torch.nn.ReLU(), torch.nn.Linear(6, 4))
    example = torch.rand(64, 8)
    qmodel = flow.quantize(model, example, weights="s5", activations="u5")
    codes = encode_input(qmodel, torch.rand(COUNT, 8))
    codes[:2] = 31
    return qmodel, flow.lower(qmodel, name="tiny"), codes


def climbed(name: str, folder: Path, design, change: Callable[[Graph], Graph] = lambda graph: graph):
    """One rung on exports of a changed graph, compared with the arbiter on the graph as it is."""
    qmodel, graph, codes = design
    broken = change(graph)
    if name in FOLDERS:
        write_tree(folder / FOLDERS[name], flow.export(broken, EXPORTERS[FOLDERS[name]], codes))
    (result,) = climb(Context(graph, codes, folder, qmodel, load(dump(broken))), [name])
    assert result.skipped is None, result.skipped
    return result


@pytest.mark.parametrize("name", RUNGS)
def test_every_rung_is_green(name: str, design, tmp_path: Path) -> None:
    result = climbed(name, tmp_path, design)
    assert result.passed, result.comparison.first
    vectors = 16 if name == "netlist" else COUNT
    assert (result.vectors, result.comparison.mismatches) == (vectors, 0)
    assert result.comparison.values >= vectors * 4


@pytest.mark.parametrize("mutation", MUTATIONS)
@pytest.mark.parametrize("name", [name for name in RUNGS if name != "torch"])
def test_every_rung_turns_red(name: str, mutation: str, design, tmp_path: Path) -> None:
    result = climbed(name, tmp_path, design, MUTATIONS[mutation])
    assert not result.passed
    assert result.comparison.mismatches > 0


@pytest.mark.parametrize("part", ["weight", "rounding"])
def test_the_torch_rung_turns_red(part: str, design, tmp_path: Path) -> None:
    import copy

    qmodel, graph, codes = design
    broken = copy.deepcopy(qmodel)
    if part == "weight":
        layer = next(m for m in broken.layers.values() if hasattr(m, "weight_quantizer"))
        layer.weight.data[-1, -1] += 2.0**-layer.weight_quantizer.format.frac
    else:
        cast = next(m for m in broken.layers.values() if type(m).__name__ == "Cast")
        cast.quantizer.rounding = Rounding.TRN
    (result,) = climb(Context(graph, codes, tmp_path, broken), ["torch"])
    assert result.skipped is None
    assert result.comparison.mismatches > 0


def test_an_unknown_rung_is_named(design, tmp_path: Path) -> None:
    _, graph, codes = design
    with pytest.raises(SimulationError) as caught:
        list(climb(Context(graph, codes, tmp_path), ["modelsim"]))
    assert str(caught.value) == (
        "There is no rung 'modelsim'; the rungs are torch, interpreter, onnxruntime, csim, rtl, netlist, hls4ml."
    )


def test_a_rung_that_cannot_run_says_so_and_is_not_passed(design, tmp_path: Path) -> None:
    _, graph, codes = design
    (result,) = climb(Context(graph, codes, tmp_path), ["torch"])
    assert not result.passed
    assert result.to_json()["skipped"] == ("Rung 'torch' needs the trained model; pass model=, or leave the rung out.")


def test_nothing_to_simulate_is_refused(design, tmp_path: Path) -> None:
    _, graph, codes = design
    with pytest.raises(SimulationError) as caught:
        list(climb(Context(graph, codes[:0], tmp_path), ["interpreter"]))
    assert str(caught.value) == "Simulating 'tiny' needs at least one input vector, but got none."
