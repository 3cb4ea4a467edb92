"""Modules that have no file in `rtl/` and are measured all the same: ROMs, tables and small spatial designs, as the
exporter writes them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from flow.estimation.designs import calibration_design
from flow.estimation.inventory import spatial_features
from flow.estimation.rom import rom_shape
from flow.estimation.sweeps import ROMS, SPATIAL_DESIGNS, TABLES
from flow.exporters.verilog import export_verilog, make_plan
from flow.exporters.verilog.layer import layer_context
from flow.exporters.verilog.spatial import export_spatial, plan_spatial
from flow.formats import FixedPoint
from flow.ir import Dense, Graph, Input, Table, Tensor

__all__ = ["GENERATED"]

Parameters = dict[str, int]
_NAME = "GENERATED"  # stands for the module's name


def _roms() -> Iterator[tuple[Parameters, str]]:
    """ROMs of random six-bit weights."""
    for depth, lanes in ROMS:
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
    """Small designs, told by what their inventories count."""
    for seed, largest in enumerate(SPATIAL_DESIGNS):
        graph = calibration_design(seed, largest)
        plan, files = plan_spatial(graph), export_spatial(graph)
        own = [str(text) for name, text in files.items() if name.startswith(plan.design) and name.endswith(".sv")]
        text = re.sub(rf"\b{plan.top}\b", _NAME, "\n".join(own))
        yield {"Seed": seed, **spatial_features(plan)}, text


GENERATED: Mapping[str, Callable[[], Iterator[tuple[Parameters, str]]]] = {
    "rom": _roms,
    "table": _tables,
    "spatial": _spatial,
}
