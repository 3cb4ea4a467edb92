"""The highest clock of a design from the depth of its pipeline: how many carry chains follow each other between two
registers, and how long they are.

The coefficients come from designs placed and routed on an ECP5 of speed grade 6 by nextpnr (`data/clock.json`,
`flow characterize --clock`). There is no open place and route for Xilinx devices: for their boards the same figure is
given as what it is, a clock on an ECP5.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from flow.estimation.fit import cross_validated, non_negative_least_squares
from flow.estimation.forms import TABLE_BITS, shared_rows
from flow.estimation.points import DATA
from flow.exporters.verilog import Plan
from flow.exporters.verilog.spatial import Spatial
from flow.ir import ArgMax, AvgPool2d, Linear, Mul, Node, Requantize, ScaleShift
from flow.synthesis import Family

__all__ = ["CLOCK", "Stage", "basis", "clock_errors", "fmax_mhz", "spatial_stage", "stream_stage"]

CLOCK = DATA / "clock.json"


@dataclass(frozen=True, slots=True)
class Stage:
    """What lies between two registers.

    Attributes:
        levels: carry chains that follow each other.
        bits: of the longest.
        where: the node it belongs to.
    """

    levels: int
    bits: int
    where: str

    @property
    def _rank(self) -> tuple[float, int]:
        return self.levels + self.bits / 16, self.levels

    def features(self) -> tuple[float, float, float]:
        """What the period grows with, in units of a fitted coefficient each."""
        return 1.0, float(self.levels), float(self.bits)


def _product_levels(simd: int, x: int, w: int) -> int:
    """Rows of an array multiplier, or a table, two products sharing their rows, and the tree over what they give."""
    rows, pairs = (min(x, w) + 2) // 2, shared_rows({"Simd": simd, "XWidth": x, "WWidth": w})
    single = simd - 2 * pairs
    alone = min(single, 1) * (1 if x + w <= TABLE_BITS else rows)
    return max(2 * rows * min(pairs, 1), alone) + bits_above(pairs + single)


def _linear(plan: Plan, node: Node) -> Iterator[Stage]:
    x = plan.graph.operands(node)[0].format.width
    w = node.weight.format.width if isinstance(node, Linear) else node.scale.format.width  # type: ignore[attr-defined]
    simd = plan.folding[node.name].simd if node.name in plan.folding else 1
    yield Stage(_product_levels(simd, x, w) + int(isinstance(node, ScaleShift)), x + w, node.name)
    yield Stage(1, plan.graph.values[node.name].format.width, node.name)


def _cast(plan: Plan, node: Node) -> Iterator[Stage]:
    yield Stage(2, plan.graph.operands(node)[0].format.width, node.name)


def _search(plan: Plan, node: Node) -> Iterator[Stage]:
    lanes = plan.streams[node.inputs[0]].lanes
    yield Stage(1 + bits_above(lanes), plan.graph.operands(node)[0].format.width, node.name)


def bits_above(count: int) -> int:
    """Levels of a tree over so many.

    >>> bits_above(5)
    3
    """
    return (count - 1).bit_length()


def _mean(plan: Plan, node: Node) -> Iterator[Stage]:
    yield Stage(3, plan.graph.values[node.name].format.width, node.name)


def _times(plan: Plan, node: Node) -> Iterator[Stage]:
    a, b = (value.format.width for value in plan.graph.operands(node))
    yield Stage(_product_levels(1, a, b), a + b, node.name)


_STAGES: Mapping[type[Node], Callable[[Plan, Any], Iterator[Stage]]] = {
    ScaleShift: _linear,
    Requantize: _cast,
    ArgMax: _search,
    AvgPool2d: _mean,
    Mul: _times,
}
_ANY = Stage(2, 8, "")  # counters and handshakes, which every streaming design has
_WINDOW_LEVELS = 3  # an address: base and offset, around the end of the ring, into the memory


def stream_stage(plan: Plan) -> Stage:
    """The longest stage of a streaming design."""
    found = [_ANY]
    for node in plan.graph:
        case = _linear if isinstance(node, Linear) else _STAGES.get(type(node))
        found += list(case(plan, node)) if case else []
    found += [Stage(_WINDOW_LEVELS, depth.bit_length(), name) for name, depth in plan.rings.items()]
    return max(found, key=lambda stage: stage._rank)


def spatial_stage(plan: Spatial) -> Stage:
    """The longest stage of a spatial design: chains from one register of a block to the next."""
    found = [Stage(1, 2, "")]
    for block in plan.blocks:
        words = block.unit.reachable(block.words)
        levels = max((word.level for word in words), default=0)
        cut = min(levels, plan.depth) if plan.depth else levels
        found.append(Stage(cut, max((word.form.width for word in words), default=1), block.nodes[-1].name))
    return max(found, key=lambda stage: stage._rank)


def _matrix(points: list[dict[str, Any]]) -> tuple[np.ndarray, np.ndarray]:
    rows = np.array([Stage(p["levels"], p["bits"], "").features() for p in points])
    return rows, np.array([1000 / p["fmax_mhz"] for p in points])


@cache
def _coefficients(path: Path = CLOCK) -> tuple[float, ...]:
    rows, period = _matrix(json.loads(path.read_text(encoding="utf-8"))["points"])
    return tuple(float(c) for c in non_negative_least_squares(rows, period, period))


def fmax_mhz(stage: Stage) -> float:
    """The highest clock, in MHz, of a design whose longest stage this is, on an ECP5 of speed grade 6."""
    return 1000 / sum(c * size for c, size in zip(_coefficients(), stage.features(), strict=True))


def clock_errors() -> np.ndarray:
    """Percent by which the clock of every placed design is missed by a fit that has not seen it."""
    rows, period = _matrix(json.loads(CLOCK.read_text(encoding="utf-8"))["points"])
    return 100 * (period / cross_validated(rows, period, period) - 1)


def basis(family: Family) -> str:
    """What stands behind the figure on a family."""
    measured = "pipeline depth, calibrated on ECP5 (speed grade 6) by nextpnr"
    return measured if family is Family.ECP5 else f"{measured}; no place and route of {family.value} stands behind it"
