"""Areas and the processor's time that Yosys took for them, kept by what was synthesised, so that a long run resumes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from common import children

from flow.exporters.writer import write_file
from flow.synthesis import Area, Family, recipe, synthesise, tool

__all__ = ["TIMEOUT", "Design", "Figures", "measured"]

TIMEOUT = 7200.0  # seconds of wall clock: the peers' flat files are large


@dataclass(frozen=True, slots=True)
class Design:
    """Sources, packages first, and the module on top."""

    sources: Mapping[str, str]
    top: str


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one design: its area, and the seconds of processor time that Yosys computed."""

    area: Area
    seconds: float


def measured(design: Design, family: Family, flatten: bool, kept: Path | None) -> Figures:
    """The figures of a design, read from `kept` where the same text went through the same recipe."""
    steps = recipe(family, flatten=flatten)
    whole = json.dumps([dict(design.sources), design.top, tool(), steps])
    target = None if kept is None else kept / f"{hashlib.sha256(whole.encode()).hexdigest()[:16]}.json"
    if target is not None and target.exists():
        held = json.loads(target.read_text())
        return Figures(Area(**held["area"]), held["seconds"])
    before = children()
    area = synthesise(design.sources, design.top, family, flatten=flatten, timeout=TIMEOUT).area
    found = Figures(area, children() - before)
    if target is not None:
        write_file(target, json.dumps(asdict(found)) + "\n")
    return found
