"""`flow simulate`: climb the ladder on what `flow export` wrote, and keep every rung that is still true."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flow.errors import OutputError
from flow.exporters.manifest import changed_files
from flow.progress import Report, silent
from flow.project import Project
from flow.simulation.ladder import FOLDERS, Context, RungResult, climb
from flow.stages.inputs import read_inputs
from flow.stages.origin import SOURCES, origin_of

__all__ = ["simulate_stage"]

_DESIGN = ("design.json", "design.npz", "vectors", *SOURCES)


def _digest(project: Project, name: str) -> str:
    """A hash of all that a rung reads."""
    folder = FOLDERS.get(name)
    return project.digest([*_DESIGN, f"{folder}/manifest.json"] if folder else _DESIGN)


def _fresh(project: Project) -> dict[str, dict[str, Any]]:
    """By name, the stored results of rungs that passed on exactly the files that are there now."""
    stored = project.find_json("simulate.json") or {"rungs": []}
    named = {rung["name"]: rung for rung in stored["rungs"]}
    return {
        name: rung
        for name, rung in named.items()
        if project.is_fresh(f"rung {name}", _digest(project, name)) and _as_exported(project, name)
    }


def _as_exported(project: Project, name: str) -> bool:
    """Whether the folder that a rung runs is as the exporter wrote it."""
    folder = FOLDERS.get(name)
    try:
        return folder is None or not changed_files(project.path(folder))
    except OutputError:
        return False


def simulate_stage(
    project: Project, rungs: Sequence[str] = (), report: Report = silent, again: bool = True
) -> dict[str, Any]:
    """Run the rungs on every vector and write `simulate.json` after each of them.

    Args:
        project: exported.
        rungs: names of rungs; those of the recipe where empty, or all but RTL of an imported file.
        report: told of each rung.
        again: run rungs that already passed on the same files once more.

    Returns:
        The content of `simulate.json`.
    """
    origin, stored = origin_of(project), project.graph()
    chosen = tuple(rungs or origin.rungs)
    codes = read_inputs(project, stored)
    done: list[dict[str, Any]] = []
    fresh = {} if again else _fresh(project)
    model = origin.model() if "torch" in chosen and "torch" not in fresh else None
    summary = {"design": stored.name, "vectors": len(codes)}
    # The arbiter is what its origin lowers to now, so that a stored graph that was changed turns its rung red.
    graph = origin.lowered()[0] if set(chosen) - set(fresh) else stored
    context = Context(graph, codes, project.folder, model, stored)
    for name in chosen:
        report(f"simulate: {name}", 0, 1)
        if name not in fresh:
            result = next(climb(context, [name]))
            fresh[name] = result.to_json()
            _remember(project, name, result)
        done.append(fresh[name])
        rest = [rung for other, rung in fresh.items() if other in chosen[len(done) :]]
        project.write_json("simulate.json", {**summary, "rungs": [*done, *rest]})
        report(f"simulate: {name}", 1, 1)
    return {**summary, "rungs": done}


def _remember(project: Project, name: str, result: RungResult) -> None:
    if result.passed:
        project.mark(f"rung {name}", _digest(project, name))


def passed(summary: dict[str, Any]) -> bool:
    """Whether every rung of `simulate.json` ran and found no difference."""
    rungs = summary["rungs"]
    return bool(rungs) and all("skipped" not in r and r["values"] and not r["mismatches"] for r in rungs)
