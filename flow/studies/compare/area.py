"""The area of every unit of every format: measured in batches, each point stored at once under a digest of its text."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from flow.estimation.characterise import cell_digest, rtl_sources
from flow.progress import Report
from flow.project import Project
from flow.studies.compare.entries import Entry
from flow.studies.compare.products import Product
from flow.studies.compare.units import Unit, modules
from flow.synthesis import Area, Family, recipe, synthesise, tool

__all__ = ["Areas", "Point", "Target", "sites"]

_BATCH = 12  # forms in one run of Yosys: enough that its start does not count, few enough that little is lost


@dataclass(frozen=True, slots=True)
class Target:
    """What is mapped to: a family, and whether DSPs may be used."""

    family: Family
    dsp: bool

    def __str__(self) -> str:
        return f"{self.family.value}{' with DSP' * self.dsp}"


@dataclass(frozen=True, slots=True)
class Point:
    """One unit of one format in one form on one target."""

    entry: Entry
    product: Product
    unit: Unit
    target: Target

    @property
    def group(self) -> tuple[str, str]:
        """Units of a group have parts in common and are measured together."""
        return self.entry.name, self.product.name

    @property
    def key(self) -> tuple[object, ...]:
        """What tells it from other points."""
        return *self.group, self.unit, self.target


def sites(area: Area, family: Family) -> int:
    """LUT places that a design takes: on ECP5 a carry cell is two of them, on Xilinx it lies behind its LUTs.

    >>> sites(Area(lut=10, carry=3), Family.ECP5), sites(Area(lut=10, carry=3), Family.XCUP)
    (16, 10)
    """
    return area.lut + (2 * area.carry if family is Family.ECP5 else 0)


class Areas:
    """Measured points in a folder.

    Args:
        project: where they lie; one whose digest has changed counts as absent.
        report: told of every batch.
    """

    def __init__(self, project: Project, report: Report) -> None:
        self.project, self.report = project, report
        self.sources = rtl_sources()
        self._known: dict[tuple[object, ...], tuple[Area, str]] = {}

    def digest(self, point: Point) -> str:
        """Of everything that the area depends on: text, the cells it uses, recipe and tool."""
        texts = "".join(modules(point.entry, point.product, (point.unit,), "unit").values())
        used = sorted(name for name in self.sources if name.removesuffix(".sv") in texts)
        cells = [cell_digest(name.removesuffix(".sv"), self.sources) for name in used]
        parts = (texts, cells, recipe(point.target.family, dsp=point.target.dsp), tool())
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]

    def find(self, point: Point) -> Area | None:
        """The stored area, None where it is not measured."""
        found = self._dated(point)
        return found and found[0]

    def date(self, point: Point) -> str | None:
        """The day when it was measured, None where it is not."""
        found = self._dated(point)
        return found and found[1]

    def _dated(self, point: Point) -> tuple[Area, str] | None:
        if point.key not in self._known:
            content = self.project.find_json(f"points/{self.digest(point)}.json")
            if content is None:
                return None
            self._known[point.key] = Area(**content["area"]), content["date"]
        return self._known[point.key]

    def measure(self, points: Sequence[Point], task: str) -> None:
        """Measure what is not stored; an interruption loses the batches that are running."""
        missing = [point for point in points if self.find(point) is None]
        batches, done = _batches(missing), len(points) - len(missing)
        self.report(task, done, len(points))
        pool = ThreadPoolExecutor(os.cpu_count() or 1)
        try:
            running: set[Future[int]] = {pool.submit(self._batch, batch) for batch in batches}
            while running:
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                done += sum(future.result() for future in finished)
                self.report(task, done, len(points))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _batch(self, points: Sequence[Point]) -> int:
        """One run of the recipe over points of one target, all kept whole; how many it was."""
        target, texts, names = points[0].target, dict[str, str](), list[str]()
        groups = dict.fromkeys(point.group for point in points)
        ordered: list[Point] = []
        for number, group in enumerate(groups):
            held = [point for point in points if point.group == group]
            ordered += held
            name, units = f"case_{number}", tuple(point.unit for point in held)
            texts |= modules(held[0].entry, held[0].product, units, name)
            names += [f"{name}_{unit.value}" for unit in units]
        calls = "".join(f"  (* keep *) {name} u_{name} ();\n" for name in names)
        files = {f"{name}.sv": text for name, text in texts.items()}
        files["cases.sv"] = f"module cases;\n{calls}endmodule\n"
        found = synthesise(
            {**self.sources, **files}, "cases", target.family, keep=tuple(texts), dsp=target.dsp
        ).module_areas
        for point, name in zip(ordered, names, strict=True):
            self._store(point, found[name])
        return len(points)

    def _store(self, point: Point, area: Area) -> None:
        today = datetime.now(UTC).date().isoformat()
        content: dict[str, Any] = {
            "format": point.entry.name,
            "unit": point.unit.value,
            "form": point.product.name,
            "family": point.target.family.value,
            "with_dsp": point.target.dsp,
            "tool": tool(),
            "date": today,
            "area": asdict(area),
        }
        self.project.write_json(f"points/{self.digest(point)}.json", content)
        self._known[point.key] = area, today


def _batches(points: Iterable[Point]) -> list[list[Point]]:
    """Points of one target and `_BATCH` forms at most each."""
    targets: dict[Target, dict[tuple[str, str], list[Point]]] = {}
    for point in points:
        targets.setdefault(point.target, {}).setdefault(point.group, []).append(point)
    found = []
    for groups in targets.values():
        held = list(groups.values())
        for start in range(0, len(held), _BATCH):
            found.append([point for group in held[start : start + _BATCH] for point in group])
    return found
