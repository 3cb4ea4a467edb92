"""The folder `build/NAME`: what lies where, and which stage is up to date."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flow.errors import FlowError
from flow.exporters.writer import write_file
from flow.ir import Graph, load

__all__ = ["Project"]


@dataclass(frozen=True, slots=True)
class Project:
    """One design's folder; every stage reads what an earlier one left there.

    Attributes:
        folder: `build/NAME`.
    """

    folder: Path

    @property
    def name(self) -> str:
        """The design's name."""
        return self.folder.name

    def path(self, name: str) -> Path:
        """A file or folder inside."""
        return self.folder / name

    def read_json(self, name: str, stage: str) -> dict[str, Any]:
        """A JSON file that `stage` writes.

        Raises:
            FlowError: it is not there or not JSON; the message names the stage to run.
        """
        try:
            content: dict[str, Any] = json.loads(self.path(name).read_text())
        except (OSError, ValueError):
            raise FlowError(f"{str(self.path(name))!r} is missing or damaged; run `flow {stage}` first.") from None
        return content

    def find_json(self, name: str) -> dict[str, Any] | None:
        """A JSON file, or None where no stage has written it."""
        return self.read_json(name, "run") if self.path(name).is_file() else None

    def write_json(self, name: str, content: dict[str, Any]) -> None:
        """Write a JSON file, whole or not at all."""
        write_file(self.path(name), json.dumps(content, indent=1) + "\n")

    def graph(self) -> Graph:
        """The design as stored.

        Raises:
            FlowError: it has not been exported yet.
        """
        try:
            return load({name: self.path(name).read_bytes() for name in ("design.json", "design.npz")})
        except OSError:
            raise FlowError(f"Design {self.name!r} is not exported yet; run `flow export {self.name}` first.") from None

    def digest(self, names: Iterable[str], *extra: object) -> str:
        """A hash over files and folders inside and over `extra`; what is not there counts as absent."""
        state = hashlib.sha256(repr(extra).encode())
        for name in names:
            path = self.path(name)
            files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
            for file in files:
                state.update(str(file.relative_to(self.folder)).encode())
                state.update(file.read_bytes() if file.is_file() else b"absent")
        return state.hexdigest()[:16]

    def is_fresh(self, stage: str, digest: str) -> bool:
        """Whether `stage` already ran on exactly these inputs."""
        state = self.find_json("state.json") or {}
        return state.get(stage) == digest

    def mark(self, stage: str, digest: str) -> None:
        """Remember that `stage` ran on these inputs."""
        self.write_json("state.json", {**(self.find_json("state.json") or {}), stage: digest})
