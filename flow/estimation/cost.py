"""What a design costs, as plain data: per layer and in all, estimated and measured, and its JSON form."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from flow.estimation.boards import Board
from flow.estimation.clock import basis
from flow.synthesis import CARRY_LUTS, Family

__all__ = ["RESOURCES", "Basis", "Cost", "LayerCost", "LayerUsage", "Measured", "Usage", "board_share"]

RESOURCES = ("lut", "ff", "dsp", "bram", "carry", "uram")
_CAPACITY = ("lut", "ff", "dsp", "bram", "uram")  # carry cells are never what runs out


class Basis(Enum):
    """Where a layer's figure comes from."""

    RTL = "closed form of the emitted RTL, coefficients from synthesis"
    ANALYTIC = "analytic, no RTL yet"


@dataclass(frozen=True, slots=True)
class Usage:
    """Resources in use.

    Attributes:
        lut: LUTs of the family: 6 inputs on Xilinx, 4 elsewhere.
        ff: flip-flops.
        dsp: DSP blocks.
        bram: block RAMs of the family; on Xilinx of 36 Kibit, in halves.
        carry: carry cells: CARRY4, CCU2C, SB_CARRY or ALU.
        uram: UltraRAMs; 0, since the recipe never asks Yosys for them (`synth_xilinx -uram`), so that large memories
            become block RAMs.
    """

    lut: float = 0
    ff: int = 0
    dsp: int = 0
    bram: float = 0
    carry: float = 0
    uram: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(*(getattr(self, key) + getattr(other, key) for key in RESOURCES))

    def to_json(self) -> dict[str, float]:
        """Whole numbers; block RAMs in halves."""
        whole = {key: round(getattr(self, key)) for key in ("lut", "ff", "dsp")}
        return {**whole, "bram": self.bram, "carry": round(self.carry), "uram": self.uram}

    def sites(self, family: Family) -> float:
        """LUT sites: where a carry cell holds LUTs of its own, as on ECP5 and Gowin, those too."""
        return self.lut + CARRY_LUTS.get(family, 0) * self.carry


def board_share(usage: Usage, board: Board) -> float:
    """How much of a board is in use: the shares of its LUT sites, DSPs and block RAMs added up."""
    used = {"lut": usage.sites(board.family), "dsp": usage.dsp, "bram": usage.bram}
    return sum(count / (getattr(board.resources, key) or 1) for key, count in used.items())


def _sum(parts: Iterable[Usage]) -> Usage:
    return sum(parts, Usage())


@dataclass(frozen=True, slots=True)
class LayerCost:
    """The estimate of one node of the graph.

    Attributes:
        name: the node's name.
        op: the operator's name.
        usage: resources.
        cycles: cycles between two samples that this layer alone would need.
        pe: output rows computed at once.
        simd: inputs consumed at once.
        parts: LUTs by part of the cell, for the reader.
        basis: where the figure comes from.
    """

    name: str
    op: str
    usage: Usage
    cycles: int
    pe: int = 1
    simd: int = 1
    parts: dict[str, float] = field(default_factory=dict)
    basis: Basis = Basis.RTL

    def to_json(self) -> dict[str, Any]:
        """The layer's entry in `estimate.json`."""
        parts = {name: round(lut, 1) for name, lut in self.parts.items() if lut}
        return {
            "name": self.name, "op": self.op, **self.usage.to_json(), "cycles": self.cycles,
            "pe": self.pe, "simd": self.simd, "parts": parts, "basis": self.basis.value,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class LayerUsage:
    """What synthesis made of one layer."""

    name: str
    op: str
    usage: Usage


@dataclass(frozen=True, slots=True)
class Measured:
    """What synthesis made of the emitted RTL.

    Attributes:
        tool: name and version of the synthesiser.
        recipe: its commands; part of every figure.
        total: the whole design, flattened.
        layers: each layer out of context.
        seconds: wall-clock time of all runs.
    """

    tool: str
    recipe: str
    total: Usage
    layers: tuple[LayerUsage, ...]
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """The entry `measured` of `estimate.json`."""
        layers = [{"name": layer.name, "op": layer.op, **layer.usage.to_json()} for layer in self.layers]
        return {
            "tool": self.tool, "total": self.total.to_json(), "layers": layers, "recipe": self.recipe,
            "seconds": round(self.seconds, 2),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of a design on a board.

    Attributes:
        design: the graph's name.
        board: where it should go.
        architecture: `stream` or `spatial`.
        layers: one a node, in the graph's order.
        latency_cycles: from the first input beat of a sample to its last output beat.
        ii_cycles: between two samples.
        measured: what synthesis said, where it ran.
        fmax_mhz: the highest clock that the depth of the pipeline allows, None where there is no RTL; see `clock.py`.
        slowest: the node between whose registers most lies.
    """

    design: str
    board: Board
    architecture: str
    layers: tuple[LayerCost, ...]
    latency_cycles: int
    ii_cycles: int
    measured: Measured | None = None
    fmax_mhz: float | None = None
    slowest: str = ""

    @property
    def total(self) -> Usage:
        """All layers together."""
        return _sum(layer.usage for layer in self.layers)

    @property
    def capacity(self) -> dict[str, float]:
        """What the board's device has of each resource."""
        return {key: getattr(self.board.resources, key) for key in _CAPACITY}

    @property
    def ceilings(self) -> dict[str, float]:
        """Percent of each resource above which the design is flagged."""
        return {key: getattr(self.board.ceilings, key) for key in _CAPACITY}

    @property
    def utilisation(self) -> dict[str, float]:
        """Percent of the device in use, by resource; of LUTs, of their sites. Infinite where the device has none."""
        used = {key: getattr(self.total, key) for key in _CAPACITY} | {"lut": self.total.sites(self.board.family)}
        return {key: _percent(used[key], held) for key, held in self.capacity.items()}

    @property
    def over(self) -> tuple[str, ...]:
        """The resources above their ceiling."""
        return tuple(key for key, used in self.utilisation.items() if used > self.ceilings[key])

    @property
    def error_percent(self) -> dict[str, float | None]:
        """Estimate against measurement; None where there is nothing to divide by, empty without a measurement."""
        if self.measured is None:
            return {}
        return {key: _error(getattr(self.total, key), getattr(self.measured.total, key)) for key in RESOURCES}

    def beside(self, measured: Measured) -> Cost:
        """The same estimate with its measurement beside it."""
        return replace(self, measured=measured)

    def at(self, fmax_mhz: float, slowest: str) -> Cost:
        """The same estimate with its clock."""
        return replace(self, fmax_mhz=fmax_mhz, slowest=slowest)

    def __str__(self) -> str:
        rows = [(layer.name, layer.usage, layer.cycles) for layer in self.layers]
        rows.append(("total", self.total, self.latency_cycles))
        lines = [f"{self.design} on {self.board.name} ({self.architecture}), one sample every {self.ii_cycles} cycles"]
        lines += [
            f"{name:24} {u.lut:8,} LUT {u.ff:8,} FF {u.dsp:5,} DSP {u.bram:6,} BRAM {cycles:9,} cycles"
            for name, u, cycles in rows
        ]
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """`estimate.json`."""
        return {
            "design": self.design, "board": self.board.name, "part": self.board.part, "family": self.board.family.value,
            "architecture": self.architecture, "clock_mhz": self.board.clock_mhz,
            "total": self.total.to_json(), "capacity": self.capacity,
            "utilisation": {k: None if math.isinf(v) else round(v, 2) for k, v in self.utilisation.items()},
            "ceilings": self.ceilings, "over": list(self.over),
            "latency_cycles": self.latency_cycles, "ii_cycles": self.ii_cycles,
            "fmax_mhz": None if self.fmax_mhz is None else round(self.fmax_mhz, 1),
            "fmax_basis": basis(self.board.family), "slowest": self.slowest,
            "layers": [layer.to_json() for layer in self.layers],
            "measured": None if self.measured is None else self.measured.to_json(),
            "note": self.board.note,
            "error_percent": {k: None if v is None else round(v, 2) for k, v in self.error_percent.items()},
        }  # fmt: skip


def _percent(used: float, held: float) -> float:
    if not used:
        return 0.0
    return 100 * used / held if held else math.inf


def _error(estimate: float, measured: float) -> float | None:
    if measured:
        return 100 * (estimate - measured) / measured
    return 0.0 if math.isclose(estimate, 0) else None
