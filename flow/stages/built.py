"""Budgets that a trained net meets by how it is built: `dsp<=N` and `latency<=N`, chosen by the model and measured.

DSPs and cycles of a streaming design are integers that the cost model knows exactly, and no weight changes them; so the
training is that of the recipe, and the Verilog options follow from its graph: which layers multiply in DSPs, how far
layers are folded, where the registers of a spatial design stand. The design is then synthesised, or simulated.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from flow.estimation import load_board
from flow.estimation.budget import Budget
from flow.estimation.meeting import depth_within, dsps_within, folding_within
from flow.exporters.verilog import export_architecture
from flow.exporters.writer import Files, write_tree
from flow.ir import Graph
from flow.recipe import Recipe
from flow.simulation.rtl import run_streams
from flow.simulation.rtl import tool as simulator
from flow.stages.pace import with_folding
from flow.synthesis import recipe as synthesis_recipe
from flow.synthesis import synthesise
from flow.synthesis import tool as synthesiser

__all__ = ["built"]


def built(graph: Graph, recipe: Recipe, codes: NDArray[Any]) -> dict[str, Any]:
    """What `train.json` holds of a budget of DSPs or of cycles, the Verilog options that meet it among it.

    Args:
        graph: of the trained net.
        recipe: with the budget.
        codes: int64[N, *shape] inputs, of which one is simulated.

    Raises:
        ExportError: no design is as fast, with what the fastest takes.
    """
    budget = Budget.parse(recipe.train.budget or "")
    options, estimated = _chosen(graph, recipe, budget)
    files = export_architecture(graph, **options)
    if budget.resource == "dsp":
        measured, told = _dsps(files, recipe), {"tool": synthesiser()}
        told["recipe"] = list(synthesis_recipe(load_board(recipe.boards[0]).family))
    else:
        measured, told = _cycles(graph, files, codes), {"tool": simulator()}
    return {
        "asked": str(budget),
        "met": budget.met(measured),
        "estimated": estimated,
        "measured": measured,
        "percent_of_limit": 100 * measured / budget.limit if budget.limit else 100.0,
        "rounds": [],
        "family": load_board(recipe.boards[0]).family.value,
        "verilog": options,
        **told,
    }


def _chosen(graph: Graph, recipe: Recipe, budget: Budget) -> tuple[dict[str, Any], int]:
    """Options of `export_architecture`, and what they should come to."""
    board, given = load_board(recipe.boards[0]), dict(recipe.verilog)
    if budget.resource == "dsp":
        paced = given.get("fit") or "target_fps" in given  # a board alone would be one that must be large enough
        options = with_folding(graph, {"board": board.name, **given} if paced else given)
        dsp, count = dsps_within(graph, board, budget.limit, options.get("folding"))
        return {**options, "dsp": dsp}, count
    if given.get("architecture") == "spatial":
        multipliers = {key: given[key] for key in ("dsp", "adder") if key in given}
        depth, cycles = depth_within(graph, budget.limit, **multipliers)
        return {**given, "depth": depth}, cycles
    folding, cycles = folding_within(graph, board, budget.limit, given.get("dsp", False))
    return {**given, "folding": folding}, cycles


def _dsps(files: Files, recipe: Recipe) -> int:
    """As Yosys maps the design for the first board."""
    sources = {name: str(text) for name, text in files.items() if name.endswith(".sv")}
    (top,) = (name.removesuffix(".sv") for name in sources if name.endswith("_top.sv"))
    return synthesise(sources, top, load_board(recipe.boards[0]).family).area.dsp


def _cycles(graph: Graph, files: Mapping[str, Any], codes: NDArray[Any]) -> int:
    """From the first beat in to the last beat out of one sample, with a host that never pauses, under Verilator."""
    with tempfile.TemporaryDirectory() as place:
        write_tree(Path(place) / "rtl", dict(files))
        cycles = run_streams(graph, Path(place) / "rtl", codes[:1], pause=0).cycles
    leaving = [max(moved) for port, moved in cycles.items() if port.startswith("m_axis")]
    return max(leaving) - min(cycles["s_axis"])
