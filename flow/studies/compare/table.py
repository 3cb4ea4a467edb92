"""What was measured as `compare.json`: one row a unit of a format on a target, and one an accuracy."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from flow.studies.compare.accuracy import Trial, Trials
from flow.studies.compare.area import Areas, sites
from flow.studies.compare.sweep import Sweep, best
from flow.synthesis import recipe, tool

__all__ = ["accuracy_rows", "area_rows", "content", "text_of"]

Row = dict[str, Any]
_JUDGED = ("both", "qat")  # what the `accuracy` of a row is of


def area_rows(areas: Areas, sweep: Sweep) -> list[Row]:
    """One row for each unit that is measured: its smallest form, and the LUT places of the others."""
    rows = []
    for target in sweep.targets:
        for entry in sweep.entries_on(target):
            for unit in sweep.units_of(entry, target):
                found = best(areas, entry, unit, target)
                if found is None:
                    continue
                area = found.area
                rows.append({
                    "family": target.family.value, "with_dsp": target.dsp, "unit": unit.value, "format": entry.name,
                    "kind": entry.kind.value, "bits": entry.bits, "memory_bits": entry.memory_bits,
                    "lut": area.lut, "ff": area.ff, "dsp": area.dsp, "carry": area.carry,
                    "sites": sites(area, target.family), "form": found.form, "forms": found.forms,
                    "date": found.date,
                })  # fmt: skip
    return rows


def accuracy_rows(held: Trials, wanted: Sequence[Trial]) -> list[Row]:
    """Means over the seeds that are finished, one row a format, scope and method; its date is that of the last."""
    found: dict[tuple[Any, ...], list[tuple[float, str]]] = {}
    for trial in wanted:
        share = held.stored(trial)
        if share is not None:
            dated = share, held.date(trial) or ""
            found.setdefault((trial.entry, trial.scope, trial.method), []).append(dated)
    rows, samples = [], len(held.data.test_y) if found else 0
    for (entry, scope, method), finished in found.items():
        shares, date = [share for share, _ in finished], max(date for _, date in finished) or None
        row = {"net": held.net.name, "dataset": held.net.dataset, "format": "float", "kind": "float", "bits": 32}
        if entry is not None:
            row |= {"format": entry.name, "kind": entry.kind.value, "bits": entry.bits}
        spread = statistics.stdev(shares) if len(shares) > 1 else None
        memory = 32.0 if entry is None else entry.memory_bits
        row |= {"memory_bits": memory, "scope": scope, "method": method, "seeds": len(shares), "samples": samples}
        rows.append({**row, "accuracy": statistics.fmean(shares), "spread": spread, "date": date})
    return rows


def content(rows: Sequence[Row], accuracies: Sequence[Row], sweep: Sweep) -> dict[str, Any]:
    """`compare.json` (DESIGN.md section 6), with the accuracies beside the rows.

    The `accuracy` of a row is that of the first net after training with weights and activations in the format. The
    date is that of the last measurement; today where none of them has one.
    """
    nets = list(dict.fromkeys(row["net"] for row in accuracies))
    reached: Mapping[str, float] = {
        row["format"]: row["accuracy"]
        for row in accuracies
        if row["net"] == nets[0] and (row["scope"], row["method"]) == _JUDGED
    }
    dates = [row["date"] for row in (*rows, *accuracies) if row.get("date")]
    return {
        "tool": tool(),
        "date": max(dates, default=datetime.now(UTC).date().isoformat()),
        "recipe": {str(target): list(recipe(target.family, dsp=target.dsp)) for target in sweep.targets},
        "accuracy_of": {"net": nets[0], "scope": _JUDGED[0], "method": _JUDGED[1]} if nets else None,
        "rows": [{**row, "accuracy": reached.get(row["format"])} for row in rows],
        "accuracies": list(accuracies),
    }


def text_of(found: Mapping[str, Any]) -> str:
    """JSON with one row a line."""
    parts = []
    for key, value in found.items():
        if key in ("rows", "accuracies"):
            lines = ",\n".join(f"  {json.dumps(row)}" for row in value)
            parts.append(f' "{key}": [\n{lines}\n ]')
        else:
            parts.append(f' "{key}": {json.dumps(value)}')
    return "{\n" + ",\n".join(parts) + "\n}\n"
