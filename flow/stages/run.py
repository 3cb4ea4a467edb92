"""`flow run`: every stage in order, each skipped where its result is already there for the same inputs."""

from __future__ import annotations

from pathlib import Path

from flow.errors import FlowError
from flow.estimation import load_board
from flow.progress import Report, silent
from flow.project import Project
from flow.recipe import Recipe
from flow.stages.estimate import estimate_stage
from flow.stages.export import EXPORTERS, export_stage
from flow.stages.origin import origin_of
from flow.stages.report import report_stage
from flow.stages.simulate import passed, simulate_stage
from flow.stages.train import train_stage

__all__ = ["run_stages"]


def run_stages(recipe: Recipe, source: str, build: Path, report: Report = silent) -> Project:
    """Train, export, simulate, estimate and report; after an interruption the same call goes on where it stopped.

    Args:
        recipe: what to do.
        source: the recipe's name or path, remembered for the later commands.
        build: the parent of the design's folder.
        report: told of every step.

    Raises:
        FlowError: a stage failed, or a rung of the ladder is not green.
    """
    for board in recipe.boards:
        load_board(board)  # an unknown board is refused before an hour of training
    project = train_stage(recipe, source, build, report)
    if not _exported(project, recipe):
        export_stage(project, (), report)
    summary = simulate_stage(project, recipe.rungs, report, again=False)
    for board in recipe.boards:
        # Who asks for a netlist waits for synthesis; the cost model knows the streaming architecture.
        measured = "netlist" in recipe.rungs and recipe.verilog.get("architecture") != "spatial"
        _estimate(project, board, measured, report)
    project.write_json("estimate.json", project.read_json(f"estimate.{recipe.boards[0]}.json", "estimate"))
    report_stage(project)
    if not passed(summary):
        raise FlowError(f"Design {project.name!r} does not compute the same bits everywhere; see `simulate.json`.")
    return project


def _exported(project: Project, recipe: Recipe) -> bool:
    fresh = project.is_fresh("export", origin_of(project).digest())
    return fresh and all((project.path(EXPORTERS[name][0]) / "manifest.json").is_file() for name in recipe.exports)


def _estimate(project: Project, board: str, measured: bool, report: Report) -> None:
    digest = project.digest(["design.json", "design.npz", "rtl/manifest.json"], board, measured)
    fresh = project.is_fresh(f"estimate {board}", digest)
    if fresh and project.path(f"estimate.{board}.json").is_file():
        return
    estimate_stage(project, board, measured, report)
    project.mark(f"estimate {board}", digest)
