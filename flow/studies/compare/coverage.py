"""Which part of the comparison the rows hold, so that what is missing is seen."""

from __future__ import annotations

from collections.abc import Iterator

from flow.studies.compare.area import Target
from flow.studies.compare.entries import all_entries
from flow.studies.compare.evidence import UNITS, Rows, table
from flow.studies.compare.sweep import Sweep
from flow.studies.compare.units import Unit
from flow.synthesis import Family

__all__ = ["areas_held", "trials_held"]

_SCOPES = ("both", "weights", "activations")


def areas_held(held: Rows) -> str:
    """A table: by unit and target, how many formats are measured, of those that `flow compare` measures there."""
    targets = [Target(Family(family), dsp) for family, dsp in held.targets()]
    if not targets:
        return ""
    sweep = Sweep(tuple(all_entries()), tuple(dict.fromkeys(target.family for target in targets)), tuple(Unit))
    lines = []
    for unit in Unit:
        cells = []
        for target in targets:
            wanted = [e.name for e in sweep.entries_on(target) if unit in sweep.units_of(e, target)]
            found = held.of(target.family.value, target.dsp, unit.value)
            cells.append(f"{sum(name in found for name in wanted)} of {len(wanted)}")
        lines.append((UNITS[unit.value], *cells))
    return table(("formats", *map(str, targets)), lines)


def trials_held(held: Rows) -> Iterator[str]:
    """A table: by net, method and scope, how many formats have an accuracy, and of how many seeds it is the mean."""
    lines = []
    for net in held.nets():
        for method in ("ptq", "qat"):
            cells = []
            for scope in _SCOPES:
                key = (net, scope, method)
                rows = [r for r in held.content["accuracies"] if (r["net"], r["scope"], r["method"]) == key]
                counts = sorted({row["seeds"] for row in rows})
                seeds = "..".join(map(str, dict.fromkeys(counts[:1] + counts[-1:])))
                cells.append(f"{len(rows)}, seeds: {seeds}" if rows else "–")
            if cells != ["–"] * len(_SCOPES):
                lines.append((net, method.upper(), *cells))
    if lines:
        yield "\n" + table(("formats of", "method", *_SCOPES), lines)
