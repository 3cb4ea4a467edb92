"""What a vendor's flow would make of a design, told from published figures and never mixed with our own.

`data/vendor.json` quotes published Vivado results, each with its source, and what others counted of the same design.
`data/vendor_ours.json` holds flow's own estimate of the stand-ins in `vendor_nets.py`; it is written anew by
`python -m flow.estimation.vendor`. A prediction divides our LUTs by the ratio of the designs whose very netlist was
rebuilt.
"""

from __future__ import annotations

import json
import statistics
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from flow.estimation.points import DATA, read_points
from flow.estimation.vendor_nets import STAND_INS, StandIn
from flow.exporters.writer import write_file
from flow.synthesis import Family

__all__ = [
    "OURS",
    "VENDOR",
    "Count",
    "Ours",
    "Published",
    "calibrated_with",
    "counts",
    "estimated",
    "estimated_all",
    "ours",
    "predicted",
    "published",
]

VENDOR: Path = DATA / "vendor.json"
OURS: Path = DATA / "vendor_ours.json"


@dataclass(frozen=True, slots=True)
class Published:
    """A published result of a vendor's flow.

    Attributes:
        design: what it is.
        flow: the vendor's tool that gave the counts.
        lut: LUTs, after place and route.
        dsp: DSP blocks; None where not told.
        stand_in: the key in `vendor_nets.STAND_INS` of what we estimate in its place; None where it is not described
            well enough.
        basis: what the stand-in has in common with it and what not, or why there is none.
        source: where the counts stand.
    """

    design: str
    flow: str
    lut: int
    dsp: int | None
    stand_in: str | None
    basis: str
    source: str


@dataclass(frozen=True, slots=True)
class Ours:
    """Flow's estimate of one stand-in beside the published count.

    Attributes:
        published: in whose place it stands.
        words: what the stand-in chose where the publication leaves it open.
        lut: estimated LUTs.
        dsp: estimated DSP blocks.
    """

    published: Published
    words: str
    lut: int
    dsp: int

    @property
    def ratio(self) -> float:
        """Our LUTs for every published one."""
        return self.lut / self.published.lut


@dataclass(frozen=True, slots=True)
class Count:
    """What something else than flow counted of a published design.

    Attributes:
        published: the design.
        lut: the count.
        by: what gave it.
        rebuilt: whether it is Yosys' of the authors' netlist, so that the ratio says how the flows differ.
        source: where it stands.
    """

    published: Published
    lut: int
    by: str
    rebuilt: bool
    source: str

    @property
    def ratio(self) -> float:
        """The count for every published LUT."""
        return self.lut / self.published.lut


@cache
def _stored() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(VENDOR.read_text(encoding="utf-8"))
    return found


def published() -> tuple[Published, ...]:
    """Every stored figure."""
    return tuple(Published(**row) for row in _stored()["published"])


def counts() -> tuple[Count, ...]:
    """What others counted, in the order of the file."""
    designs = {entry.design: entry for entry in published()}
    rows = [(row, designs[row["design"]]) for row in _stored()["counts"]]
    return tuple(Count(entry, **{key: row[key] for key in row if key != "design"}) for row, entry in rows)


def calibrated_with(family: Family = Family.XCUP) -> str:
    """Name and version of the synthesiser that our coefficients come from."""
    return str(read_points(family)["tool"])


def ours() -> tuple[Ours, ...]:
    """The stored estimates of the stand-ins, in the order of the published figures."""
    rows = json.loads(OURS.read_text(encoding="utf-8"))["rows"]
    return tuple(
        Ours(entry, row["words"], row["lut"], row["dsp"])
        for entry in published()
        for row in rows
        if row["stand_in"] == entry.stand_in
    )


def estimated(key: str, stand_in: StandIn) -> dict[str, Any]:
    """The row of one stand-in in `data/vendor_ours.json`, estimated now."""
    total = stand_in.cost().total
    return {"stand_in": key, "words": stand_in.words, "lut": round(total.lut), "dsp": total.dsp}


def estimated_all() -> str:
    """`data/vendor_ours.json`, estimated now; some fifteen seconds."""
    rows = [json.dumps(estimated(key, one)) for key, several in STAND_INS.items() for one in several]
    return f'{{\n "tool": "{calibrated_with()}",\n "rows": [\n  ' + ",\n  ".join(rows) + "\n ]\n}\n"


def predicted(lut: float, family: Family, architecture: str) -> dict[str, Any]:
    """LUTs that Vivado would report after place and route, where we estimate `lut` 6-input LUTs.

    Args:
        lut: our estimate.
        family: of the board.
        architecture: of the design.

    Returns:
        `lut`, the lowest and highest by single designs, and the basis in words.
    """
    ratios = sorted(entry.ratio for entry in counts() if entry.rebuilt)
    middle = statistics.median(ratios)
    return {
        "lut": round(lut / middle),
        "lowest": round(lut / ratios[-1]),
        "highest": round(lut / ratios[0]),
        "basis": _basis(ratios, middle, family, architecture),
    }


def _basis(ratios: list[float], middle: float, family: Family, architecture: str) -> str:
    """All that a prediction rests on, and what it does not know."""
    versions = _stored()["versions"]
    unlike = "" if architecture == "spatial" else f"; a design of the {architecture} architecture is of another kind"
    return (
        f"our estimate, in LUTs of {calibrated_with(family)} with flow's recipe for {family.value}, divided by "
        f"{middle:.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f}), the LUTs that {_stored()['rebuilt_with']} maps for each "
        f"that Vivado reports after place and route, on da4ml's Verilog of {len(ratios)} fully unrolled jets' MLPs "
        f"without DSPs, two of them assumed to be the published models; on another such net {versions['new']} maps "
        f"{versions['new_lut'] / versions['old_lut']:.2f} times what {versions['old']} does, which is not divided out"
        f"{unlike}; Vivado was not run here"
    )


if __name__ == "__main__":
    write_file(OURS, estimated_all())
