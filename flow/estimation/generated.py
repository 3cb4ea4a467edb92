"""Modules that have no file in `rtl/` and are measured all the same, as the exporter writes them: ROMs, tables, what
moves and joins codes, small spatial designs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np

from flow.estimation.designs import calibration_design
from flow.estimation.designs_moves import casts_by_place, joins, moves
from flow.estimation.fixed_scales import fixed_scales, scale_shape
from flow.estimation.inventory import spatial_features
from flow.estimation.moves_shapes import concat_shape, each_shape, move_shape
from flow.estimation.rom import rom_shape
from flow.estimation.sweeps import DEEP_ROMS, ROMS, SPATIAL_DESIGNS, TABLES
from flow.exporters.verilog import Plan, export_verilog, make_plan
from flow.exporters.verilog.layer import layer_context
from flow.exporters.verilog.spatial import export_spatial, plan_spatial
from flow.formats import FixedPoint
from flow.ir import Dense, Graph, Input, Table, Tensor

__all__ = ["COUNTED", "GENERATED"]

Parameters = dict[str, int]
_NAME = "GENERATED"  # stands for the module's name


def _roms(shapes: Iterable[tuple[int, int]]) -> Iterator[tuple[Parameters, str]]:
    """ROMs of random six-bit weights."""
    for depth, lanes in shapes:
        rng = np.random.default_rng(depth)
        weight = Tensor(rng.integers(-32, 32, (1, depth * lanes)), FixedPoint.parse("s6.5"))
        source = Input(name="x", shape=(depth * lanes,), format=FixedPoint.parse("u1.0"))
        layer = Dense(name="y", inputs=("x",), weight=weight)
        graph, folding = Graph(f"rom{depth}x{lanes}", (source, layer), ("y",)), {"y": (1, lanes)}
        plan = make_plan(graph, folding)
        rom = layer_context(plan, layer, dsp=False)["weight"]
        module = plan.rom_module("y")
        shape = {"Depth": depth, "Width": rom.width, "Columns": rom_shape(rom.codes, rom.code_width).columns}
        yield shape, str(export_verilog(graph, folding)[f"{module}.sv"]).replace(module, _NAME)


def _tables() -> Iterator[tuple[Parameters, str]]:
    """Sigmoids and noise: a smooth table takes fewer LUTs than a random one, and both occur."""
    for bits, width, smooth in TABLES:
        x = np.arange(1 << bits) / (1 << bits)
        rng = np.random.default_rng(bits)
        high = (1 << width) - 1
        codes = np.round(high / (1 + np.exp(4 - 8 * x))) if smooth else rng.integers(0, high + 1, 1 << bits)
        entries = Tensor(codes.astype(np.int64), FixedPoint(width, 0, False))
        source = Input(name="x", shape=(4,), format=FixedPoint(bits, 0, False))
        table = Table(name="y", inputs=("x",), entries=entries, first=0)
        files = export_verilog(Graph("tables", (source, table), ("y",)))
        module = next(name.removesuffix(".sv") for name in files if name.startswith("tables_rom"))
        text = str(files[f"{module}.sv"]).replace(module, _NAME)
        yield {"Bits": bits, "Width": width, "Smooth": smooth, "Columns": width}, text


def _spatial() -> Iterator[tuple[Parameters, str]]:
    """Small designs, told by their seeds."""
    for seed, largest in enumerate(SPATIAL_DESIGNS):
        graph = calibration_design(seed, largest)
        plan, files = plan_spatial(graph), export_spatial(graph)
        own = [str(text) for name, text in files.items() if name.startswith(plan.design) and name.endswith(".sv")]
        yield {"Seed": seed}, re.sub(rf"\b{plan.top}\b", _NAME, "\n".join(own))


@cache
def _features_of(seed: int) -> dict[str, Any]:
    """What the inventory of a small design counts."""
    return spatial_features(plan_spatial(calibration_design(seed, SPATIAL_DESIGNS[seed])))


def _module_of(plan: Plan, module: str) -> str:
    """A module of a streaming design under the common name."""
    folding = {name: (fold.pe, fold.simd) for name, fold in plan.folding.items()}
    return str(export_verilog(plan.graph, folding)[f"{module}.sv"]).replace(module, _NAME)


def _cases(made: Iterable[tuple[Plan, str]]) -> Iterator[tuple[Parameters, str]]:
    for number, (plan, module) in enumerate(made):
        yield {"Case": number}, _module_of(plan, module)


def _layers(plans: Iterable[Plan]) -> Iterator[tuple[Parameters, str]]:
    return _cases((plan, plan.layer_module("y")) for plan in plans)


def _moves() -> Iterator[tuple[Parameters, str]]:
    return _cases((plan, plan.move_module(*place)) for plan in moves() for place in plan.moves)


@cache
def _shapes(cell: str) -> tuple[Parameters, ...]:
    """What the form of a cell is over, of every case."""
    plans, shape = _SHAPED[cell]
    return tuple(shape(plan, plan.graph["y"]) for plan in plans())


_SHAPED: Mapping[str, tuple[Callable[[], Iterator[Plan]], Callable[[Plan, Any], Parameters]]] = {
    "move": (moves, lambda plan, node: move_shape(plan, *next(iter(plan.moves)))),
    "concat": (joins, concat_shape),
    "each": (casts_by_place, each_shape),
    "fixed_scale": (fixed_scales, scale_shape),
}


GENERATED: Mapping[str, Callable[[], Iterator[tuple[Parameters, str]]]] = {
    "rom": lambda: _roms(ROMS),
    "deep_rom": lambda: _roms(DEEP_ROMS),
    "table": _tables,
    "spatial": _spatial,
    "move": _moves,
    "concat": lambda: _layers(joins()),
    "each": lambda: _layers(casts_by_place()),
    "fixed_scale": lambda: _layers(fixed_scales()),
}

# What a form of a generated module is over, where that is counted rather than one of its parameters.
COUNTED: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "spatial": lambda row: {**_features_of(row["Seed"]), **row},
    "move": lambda row: {**_shapes("move")[row["Case"]], **row},
    "concat": lambda row: {**_shapes("concat")[row["Case"]], **row},
    "each": lambda row: {**_shapes("each")[row["Case"]], **row},
    "fixed_scale": lambda row: {**_shapes("fixed_scale")[row["Case"]], **row},
}
