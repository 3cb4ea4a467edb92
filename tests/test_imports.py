"""DESIGN.md section 2 by the imports themselves: which package may import which, and where each library may appear."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import flow

ROOT = Path(flow.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))

# Each package of the pipeline with what it may import of flow, besides itself. What is not here stands above them all.
LAYERS = {
    "errors": "",
    "resources": "errors",
    "tools": "errors",
    "formats": "errors",
    "ir": "errors formats",
    "exporters": "errors formats ir resources tools",
    "synthesis": "errors exporters resources tools",  # of exporters, the writer
    "place_and_route": "errors exporters tools",  # of exporters, the writer
    "estimation": "errors formats ir exporters place_and_route resources synthesis tools",
    "training": "errors formats ir resources tools",
    "lowering": "errors formats ir training",
    # The rung `torch` runs the trained model, which only lowering and training know how to.
    "simulation": "errors formats ir exporters lowering resources synthesis tools",
    "datasets": "errors resources",
    "reporting": "errors formats resources",
}
TOP = {"__init__", "__main__", "api", "cli", "doctor", "progress", "project", "recipe", "show", "stages", "studies"}

# Each library with the only places, as path patterns below flow/, that may import it.
PLACES = {
    "torch": ["training/**/*.py", "lowering/from_torch.py"],
    "onnx": ["exporters/onnx*.py", "lowering/from_onnx/file.py"],
    "onnxruntime": ["simulation/*.py"],
    "cocotb": ["simulation/*.py", "simulation/*/*.py"],
    "cocotbext": ["simulation/*.py", "simulation/*/*.py"],
    "subprocess": ["tools.py"],
    "sklearn": ["datasets/*.py"],
    "PIL": ["datasets/*.py"],
    "matplotlib": [],  # found as a folder of fonts, never imported
    "typer": ["cli.py"],
    "hls4ml": ["exporters/hls4ml/*.py"],  # elsewhere a folder of headers that is found, never imported
    "qonnx": [],
    "distributed": ["estimation/campaign.py"],
}
STARTERS = {"system", "popen", "fork", "execv", "execve", "execvp", "spawnv", "spawnl", "posix_spawn"}


def imported(path: Path) -> list[str]:
    """The absolute name of every module that a file imports, at its top or inside a function."""
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively at line {node.lineno}"
            base = str(node.module)
            names += [f"{base}.{alias.name}" for alias in node.names] if base == "flow" else [base]
    return names


def place(path: Path) -> str:
    """The package or top-level module of flow that a file belongs to."""
    first = path.relative_to(ROOT).parts[0]
    return first.removesuffix(".py")


def test_every_place_is_known():
    assert {place(path) for path in FILES} <= set(LAYERS) | TOP
    assert len(FILES) > 40


@pytest.mark.parametrize("layer", LAYERS)
def test_packages_import_downwards_only(layer: str):
    allowed = {layer, *LAYERS[layer].split()}
    wrong = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in FILES
        if place(path) == layer
        for name in imported(path)
        if name.startswith("flow.") and name.split(".")[1] not in allowed
    }
    assert wrong == set()


def test_the_layers_have_an_order():
    """No two packages import each other, however long the way round."""
    done: set[str] = set()
    while len(done) < len(LAYERS):
        free = {name for name, below in LAYERS.items() if name not in done and set(below.split()) <= done}
        assert free, f"a circle among {set(LAYERS) - done}"
        done |= free
    assert done == set(LAYERS)


@pytest.mark.parametrize("library", PLACES)
def test_each_library_stays_in_its_place(library: str):
    legal = {path for pattern in PLACES[library] for path in ROOT.glob(pattern)}
    users = {path for path in FILES if any(name.split(".")[0] == library for name in imported(path))}
    assert {str(path.relative_to(ROOT)) for path in users - legal} == set()


def test_formats_and_ir_need_numpy_only():
    names = {name.split(".")[0] for path in FILES if place(path) in ("formats", "ir") for name in imported(path)}
    assert names - set(sys.stdlib_module_names) == {"flow", "numpy"}


def test_no_process_starts_outside_tools():
    """`os` can start programs too."""
    calls = {
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in FILES
        if place(path) != "tools"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute)
        and node.attr in STARTERS
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
    }
    assert calls == set()
