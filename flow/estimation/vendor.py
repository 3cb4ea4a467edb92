"""What a vendor's flow would make of a design, told from published figures and never mixed with our own.

`data/vendor.json` holds published Vivado results beside what Yosys makes of the same design, or what the publication's
own estimate was, each with its source. A prediction divides our LUTs by the ratio of the designs that were rebuilt.
"""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from flow.estimation.points import DATA

__all__ = ["VENDOR", "Published", "predicted", "published"]

VENDOR: Path = DATA / "vendor.json"


@dataclass(frozen=True, slots=True)
class Published:
    """A published result of a vendor's flow beside another figure for the same design.

    Attributes:
        design: what it is.
        flow: the vendor's tool that gave the published count.
        published_lut: that count, after place and route.
        other_lut: the other count.
        other: what gave it.
        rebuilt: whether the other count is Yosys' for the same netlist, so that the ratio says how the flows differ.
        source: where both stand.
    """

    design: str
    flow: str
    published_lut: int
    other_lut: int
    other: str
    rebuilt: bool
    source: str

    @property
    def ratio(self) -> float:
        """The other count for every published LUT."""
        return self.other_lut / self.published_lut


@cache
def published() -> tuple[Published, ...]:
    """Every stored comparison."""
    rows = json.loads(VENDOR.read_text(encoding="utf-8"))["rows"]
    return tuple(Published(**row) for row in rows)


def predicted(lut: float) -> dict[str, Any]:
    """LUTs that Vivado would report after place and route, where Yosys maps `lut` 6-input LUTs.

    Returns:
        `lut`, the lowest and highest by single designs, and the basis in words.
    """
    ratios = sorted(entry.ratio for entry in published() if entry.rebuilt)
    middle = statistics.median(ratios)
    return {
        "lut": round(lut / middle),
        "lowest": round(lut / ratios[-1]),
        "highest": round(lut / ratios[0]),
        "basis": f"Yosys maps {middle:.2f} LUTs ({ratios[0]:.2f} to {ratios[-1]:.2f}) for each that Vivado reports of "
        f"{len(ratios)} published designs; not run here",
    }
