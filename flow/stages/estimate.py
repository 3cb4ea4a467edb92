"""`flow estimate`: what the design costs on a board, from the model and, where RTL was exported, from synthesis."""

from __future__ import annotations

from typing import Any

from flow.estimation import estimate, exported_options, load_board, measure
from flow.estimation.vendor import predicted
from flow.progress import Report, silent
from flow.project import Project

__all__ = ["estimate_stage"]


def estimate_stage(project: Project, board: str, measured: bool = False, report: Report = silent) -> dict[str, Any]:
    """Write `estimate.BOARD.json`, and the same as `estimate.json`.

    Args:
        project: exported; a streaming design is estimated as it was folded there.
        board: name of a board.
        measured: synthesise the exported RTL as well; where there is none, say so in the result.
        report: told of both parts.

    Returns:
        The content of `estimate.json`.
    """
    target, graph = load_board(board), project.graph()
    report(f"estimate: {board}", 0, 1)
    cost = estimate(graph, target, **exported_options(project.path("rtl")))
    report(f"estimate: {board}", 1, 1)
    if measured and project.path("rtl").is_dir():
        report(f"measure: {board}", 0, 1)
        cost = cost.beside(measure(graph, project.path("rtl"), target))
        report(f"measure: {board}", 1, 1)
    told = predicted(cost.total.lut, target.family, cost.architecture) if target.is_xilinx else None
    content = {**cost.to_json(), "vendor": told}
    for name in (f"estimate.{board}.json", "estimate.json"):
        project.write_json(name, content)
    return content
