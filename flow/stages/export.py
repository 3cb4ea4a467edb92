"""`flow export`: the model becomes a stored graph, projects for other tools, and golden vectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from flow.errors import ExportError, FlowError
from flow.exporters.hls import export_hls
from flow.exporters.hls4ml import export_hls4ml
from flow.exporters.manifest import with_manifest
from flow.exporters.onnx import export_onnx, export_qonnx
from flow.exporters.vectors import export_vectors
from flow.exporters.verilog import export_architecture
from flow.exporters.writer import Files, write_file, write_tree
from flow.ir import Graph, dump, to_text
from flow.progress import Report, silent
from flow.project import Project
from flow.recipe import EXPORTS
from flow.stages.imported import import_onnx
from flow.stages.origin import Origin, origin_of
from flow.stages.pace import with_folding

__all__ = ["EXPORTERS", "export_stage", "exported", "project_of"]

# Name on the command line -> folder under build/NAME, and what fills it from the graph and its vectors.
EXPORTERS: Mapping[str, tuple[str, Callable[..., Files]]] = {
    "onnx": ("onnx", lambda graph, codes: {**export_onnx(graph), **_qonnx(graph)}),
    "hls": ("hls", export_hls),
    "hls4ml": ("hls4ml", export_hls4ml),
    "verilog": ("rtl", lambda graph, codes, **options: export_architecture(graph, **with_folding(graph, options))),
}

_CHOOSING = ("hls", "verilog")  # exporters with options


def _qonnx(graph: Graph) -> Files:
    """The QONNX dialect, or a note that says what it cannot express; the integer ONNX does not depend on it."""
    try:
        return export_qonnx(graph)
    except FlowError as error:
        return {"no_qonnx.txt": f"{error}\n"}


def exported(graph: Graph, name: str, codes: Any, options: Mapping[str, Any]) -> Files:
    """The files of one exporter with their manifest.

    Args:
        graph: the design.
        name: out of `EXPORTERS`.
        codes: int64[N, *shape] input codes for vectors, or None.
        options: of `hls`, see `export_hls`, or of `verilog`, see `export_architecture`; the others have none.

    Raises:
        ExportError: an unknown exporter, options that it does not have, or a graph that it cannot express.
    """
    if name not in EXPORTERS:
        raise ExportError(f"There is no exporter {name!r}; choose among {', '.join(EXPORTERS)}.")
    if options and name not in _CHOOSING:
        raise ExportError(
            f"Exporter {name!r} has no option {next(iter(options))!r}; only {' and '.join(_CHOOSING)} have some."
        )
    return with_manifest(graph, EXPORTERS[name][1](graph, codes, **options))


def _options(origin: Origin, name: str, asked: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Those of the recipe, replaced by what is asked for; its first board is the one to be filled."""
    found = {**origin.options.get(name, {}), **asked.get(name, {})}
    if name == "verilog" and (found.get("fit") or "target_fps" in found) and origin.boards:
        found.setdefault("board", origin.boards[0])
    return found


def export_stage(
    project: Project,
    to: Sequence[str] = (),
    report: Report = silent,
    options: Mapping[str, Mapping[str, Any]] | None = None,
) -> Graph:
    """Write `design.json`, `design.npz`, `design.txt`, `vectors/` and the folder of every exporter in `to`.

    Args:
        project: trained, or imported by `import_onnx`.
        to: names out of `EXPORTERS`; those of the recipe where empty, and ONNX and HLS of an imported file.
        report: told of each exporter.
        options: of exporters by name, which replace those of the recipe.

    Raises:
        FlowError: not trained yet, an unknown exporter, or a graph that a backend cannot express.
    """
    origin = origin_of(project)
    chosen = tuple(to or origin.exports)
    unknown = [name for name in chosen if name not in EXPORTERS]
    if unknown:
        raise FlowError(f"There is no exporter {unknown[0]!r}; choose among {', '.join(EXPORTS)}.")
    digest = origin.digest()
    report("export", 0, len(chosen) + 1)
    graph, codes = origin.lowered()
    asked = {name: dict(given) for name, given in (options or {}).items() if given}
    made = {EXPORTERS[name][0]: exported(graph, name, codes, _options(origin, name, asked)) for name in chosen}
    for name, content in {**dump(graph), "design.txt": to_text(graph)}.items():
        write_file(project.path(name), content)
    write_tree(project.path("vectors"), export_vectors(graph, codes))
    for done, (folder, files) in enumerate(made.items(), start=1):
        report("export", done, len(chosen) + 1)
        write_tree(project.path(folder), files)
    report("export", len(chosen) + 1, len(chosen) + 1)
    project.mark("export", f"{digest} {asked}" if asked else digest)
    return graph


def project_of(name: str, build: Path, scales: str = "error", inputs: Path | None = None) -> Project:
    """The design that is called so, or a new one from an ONNX file.

    Args:
        name: a folder under `build`, or a path that ends in .onnx.
        build: the parent of the design's folder.
        scales: of an ONNX file, see `import_onnx`.
        inputs: of an ONNX file, see `import_onnx`.

    Raises:
        FlowError: options of an ONNX file beside a design's name, or what `import_onnx` raises.
    """
    if name.endswith(".onnx"):
        return import_onnx(Path(name), build, scales, inputs)
    if inputs is not None or scales != "error":
        raise FlowError(f"--inputs and --scales belong to an ONNX file, but {name!r} is a design; leave them out.")
    return Project(build / name)
