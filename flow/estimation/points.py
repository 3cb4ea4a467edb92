"""The store of measured points: one file a family, with the tool, the recipe and, for every cell, its digest and date.

A point is finished once it is in the store. A row belongs to the cell whose text has the stored digest, under the
stored tool and recipe; what does not fit any more is dropped when the store is opened, and measured again. Cells that
nobody asks for stay as they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flow.errors import ToolError
from flow.exporters.writer import write_file
from flow.synthesis import Area, Family, recipe, tool

__all__ = ["DATA", "RESULTS", "Points", "key_of", "read_points"]

DATA = Path(__file__).parent / "data"
RESULTS = ("lut", "ff", "dsp", "bram", "carry")
Key = tuple[tuple[str, int], ...]


def key_of(parameters: Mapping[str, int]) -> Key:
    """What tells the points of a cell apart."""
    return tuple(sorted(parameters.items()))


def _file(folder: Path, family: Family) -> Path:
    return folder / f"points.{family.value}.json"


def read_points(family: Family, folder: Path = DATA) -> dict[str, Any]:
    """The stored file of a family.

    Raises:
        ToolError: there is none, or it is damaged.
    """
    path = _file(folder, family)
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise ToolError(
            f"Family {family.value!r} has no measured cells ({path.name!r} is missing); run: flow characterize "
            f"--families {family.value}."
        ) from None
    except json.JSONDecodeError as error:
        raise ToolError(
            f"The measured cells of {family.value!r} are damaged ({path.name!r}, line {error.lineno}); remove the "
            f"file and run: flow characterize --families {family.value}."
        ) from None
    return found


@dataclass(slots=True)
class Points:
    """The points of one family that belong to the present cells, tool and recipe.

    Attributes:
        folder: where the file lies.
        family: what was mapped to.
        digests: of every cell that is measured, by name.
        others: whether the file's other cells stay, under the digests that they have there.
        rows: by cell, by parameters; each holds the parameters and the resources.
        dates: when a cell was measured last.
    """

    folder: Path
    family: Family
    digests: Mapping[str, str]
    others: bool = False
    rows: dict[str, dict[Key, dict[str, Any]]] = field(default_factory=dict)
    dates: dict[str, str] = field(default_factory=dict)

    @classmethod
    def open(cls, folder: Path, family: Family, digests: Mapping[str, str], *, others: bool = False) -> Points:
        """What is stored and still holds; `others` keeps cells without a digest here as they stand there."""
        points = cls(folder, family, digests, others)
        points._take_in()
        return points

    def _take_in(self) -> None:
        """What the file holds besides; another process may have written it."""
        if not _file(self.folder, self.family).is_file():
            return
        stored = read_points(self.family, self.folder)
        if (stored["tool"], stored["recipe"]) != (tool(), list(recipe(self.family))):
            return
        held = {cell: entry["digest"] for cell, entry in stored["cells"].items()}
        if self.others:
            self.digests = {**held, **self.digests}
        valid = {cell for cell, digest in held.items() if self.digests.get(cell) == digest}
        self.dates = {**{cell: stored["cells"][cell]["date"] for cell in valid}, **self.dates}
        for row in stored["rows"]:
            if row["cell"] in valid:
                self._keep(row["cell"], {key: value for key, value in row.items() if key != "cell"})

    def _keep(self, cell: str, row: dict[str, Any]) -> None:
        parameters = {key: value for key, value in row.items() if key not in RESULTS}
        self.rows.setdefault(cell, {})[key_of(parameters)] = row

    def has(self, cell: str, parameters: Mapping[str, int]) -> bool:
        """Whether a point is finished."""
        return key_of(parameters) in self.rows.get(cell, {})

    def add(self, cell: str, measured: Iterable[tuple[Mapping[str, int], Area]]) -> None:
        """Finish points, and write the file anew with what it holds by now."""
        self._take_in()
        for parameters, area in measured:
            self._keep(cell, {**parameters, **{name: getattr(area, name) for name in RESULTS}})
        self.dates[cell] = datetime.now(UTC).date().isoformat()
        self.write()

    def write(self) -> None:
        """The file, one point a line, in an order that does not depend on that of the measurements."""
        cells = sorted(cell for cell in self.rows if self.rows[cell])
        head = {
            "family": self.family.value,
            "tool": tool(),
            "recipe": list(recipe(self.family)),
            "cells": {cell: {"digest": self.digests[cell], "date": self.dates[cell]} for cell in cells},
        }
        rows = [json.dumps({"cell": cell, **self.rows[cell][key]}) for cell in cells for key in sorted(self.rows[cell])]
        text = json.dumps(head, indent=1).removesuffix("}").rstrip()
        listed = ",\n".join(f"  {row}" for row in rows)
        write_file(_file(self.folder, self.family), f'{text},\n "rows": [\n{listed}\n ]\n}}\n')
