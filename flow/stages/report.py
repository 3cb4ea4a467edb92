"""`flow report`: everything that the stages left in `build/NAME` on one page."""

from __future__ import annotations

from pathlib import Path

from flow.errors import FlowError
from flow.exporters.verilog import export_verilog
from flow.exporters.writer import write_file
from flow.project import Project
from flow.reporting import render_report
from flow.stages.inputs import IMPORT

__all__ = ["report_stage"]


def report_stage(project: Project) -> Path:
    """Write `report.html` from what is there; a stage that has not run is named on the page.

    Raises:
        FlowError: nothing has been trained or exported under this name.
    """
    text = project.path("design.txt")
    main = (project.find_json("estimate.json") or {}).get("board")
    found = sorted(
        project.folder.glob("estimate.*.json"), key=lambda path: (path.name != f"estimate.{main}.json", path)
    )
    page = render_report(
        train=None if project.path(IMPORT).is_file() else project.read_json("train.json", "train"),
        simulate=project.find_json("simulate.json"),
        estimates=[project.read_json(path.name, "estimate") for path in found],
        design=text.read_text() if text.is_file() else None,
        unmeasured=_unmeasured(project),
    )
    target = project.path("report.html")
    write_file(target, page)
    return target


def _unmeasured(project: Project) -> str | None:
    """Why `--measure` has nothing to synthesise; None where RTL is there, or no design yet."""
    if project.path("rtl").is_dir() or not project.path("design.json").is_file():
        return None
    try:
        export_verilog(project.graph())
    except FlowError as error:
        return str(error)
    return f"No RTL was exported; run `flow export {project.name} --to verilog` first."
