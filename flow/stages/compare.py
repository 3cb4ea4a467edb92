"""`flow compare`: minifloats against integers, as data, plots and a page of findings."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from flow.exporters.writer import write_file
from flow.progress import Report, silent
from flow.project import Project
from flow.reporting.scatter import Mark, draw_scatter, standalone
from flow.studies.compare.choice import Choice, compare
from flow.studies.compare.evidence import KINDS, UNITS, cost_marks, memory_marks, per_mac
from flow.studies.compare.findings import findings
from flow.studies.compare.table import text_of

__all__ = ["compare_stage", "drawings", "published"]

_METHODS = {"ptq": "after post-training quantisation", "qat": "after training in the format"}
_SHOWN = 12.0  # points of accuracy below the best that a plot still shows


def _drawn(marks: list[Mark], title: str, cost: str) -> str:
    least = math.floor(max(mark.value for mark in marks) - _SHOWN)
    return standalone(draw_scatter(marks, title, cost, "test accuracy, %", least, " %", list(KINDS.values())))


def drawings(content: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Name and text of every plot: accuracy against LUTs a MAC by family, and against bits, by net and method."""
    nets = dict.fromkeys(row["net"] for row in content["accuracies"])
    families = dict.fromkeys(row["family"] for row in content["rows"] if not row["with_dsp"])
    for net in nets:
        for method, words in _METHODS.items():
            for family in families:
                marks = cost_marks(content, family, net, method)
                if marks:
                    unit = UNITS[per_mac(content, family)[0]]
                    title, cost = f"{net} {words}, {family}", f"LUT places a MAC, by {unit} ({content['tool']})"
                    yield f"accuracy_lut_{net}_{method}_{family}.svg", _drawn(marks, title, cost)
            marks = memory_marks(content, net, method)
            if marks:
                yield f"accuracy_bits_{net}_{method}.svg", _drawn(marks, f"{net} {words}", "bits that store a value")


def published(content: Mapping[str, Any]) -> dict[str, str]:
    """The files that follow from `compare.json`, itself among them, by name."""
    plots = {f"plots/{name}": text for name, text in drawings(content)}
    return {"compare.json": text_of(content), "findings.md": findings(content, list(plots)), **plots}


def compare_stage(choice: Choice, build: Path, report: Report = silent) -> Project:
    """Write `compare.json`, `findings.md` and `plots/` into `build/compare`; what lies there already is used.

    Raises:
        ToolError: synthesis fails.
        OutputError: the folder cannot be written.
    """
    project = Project(build / "compare")
    for name, text in published(compare(choice, project, report)).items():
        write_file(project.path(name), text)
    return project
