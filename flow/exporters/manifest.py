"""The manifest of an export: hashes of every file and of the graph, and flow's version; no date, no path."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from pathlib import Path

from flow.errors import OutputError
from flow.exporters.writer import Files
from flow.ir import Graph, dump

__all__ = ["MANIFEST", "changed_files", "graph_hash", "with_manifest"]

MANIFEST = "manifest.json"


def _hash(content: str | bytes) -> str:
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()


def graph_hash(graph: Graph) -> str:
    """SHA-256 over the stored form of a graph: its structure and its constants."""
    return _hash("".join(f"{name} {_hash(content)}\n" for name, content in sorted(dump(graph).items())))


def with_manifest(graph: Graph, files: Files) -> Files:
    """`files` and `manifest.json`: `{"flow", "design", "graph", "files": {name: SHA-256}}`.

    Args:
        graph: what was exported.
        files: everything that was made of it.
    """
    content = {
        "flow": version("qfx-flow"),
        "design": graph.name,
        "graph": graph_hash(graph),
        "files": {name: _hash(content) for name, content in sorted(files.items())},
    }
    return {**files, MANIFEST: json.dumps(content, indent=1) + "\n"}


def changed_files(folder: Path) -> tuple[str, ...]:
    """The files of an export that are missing or not as they were written, in order; files beside them do not count.

    Raises:
        OutputError: the folder has no manifest, or one that cannot be read.
    """
    try:
        listed = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError):
        raise OutputError(
            f"Folder {str(folder)!r} has no readable {MANIFEST}; write it there with flow export."
        ) from None
    return tuple(name for name, value in listed.items() if not _is(folder / name, value))


def _is(path: Path, value: str) -> bool:
    return path.is_file() and _hash(path.read_bytes()) == value
