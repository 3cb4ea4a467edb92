"""The form in which benchmarks and studies hand over their figures: where they were measured, and one row each."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from flow.exporters.writer import write_file

__all__ = ["Row", "SpreadRow", "machine", "versions", "write_rows"]


@dataclass(frozen=True, slots=True)
class Row:
    """One figure; `ratio_to_flow` is it divided by flow's in the same case, None where flow has none."""

    case: str
    who: str
    value: float
    unit: str
    ratio_to_flow: float | None = None


@dataclass(frozen=True, slots=True)
class SpreadRow(Row):
    """A mean over seeds.

    Attributes:
        spread: the sample standard deviation, in the same unit; None for one seed.
        seeds: how many.
        values: of each seed, where they are kept.
    """

    spread: float | None = None
    seeds: int = 1
    values: tuple[float, ...] = ()


def machine() -> str:
    """Processor, cores and Python, as far as a reader needs them."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def versions(packages: Iterable[str]) -> dict[str, str]:
    """The version of every package that is installed here."""
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def write_rows(target: Path, rows: Iterable[Row], packages: Iterable[str]) -> None:
    """Write `{"machine", "versions", "rows"}` as DESIGN.md section 6 has it.

    Raises:
        OutputError: the file cannot be written.
    """
    content = {"machine": machine(), "versions": versions(packages), "rows": [asdict(row) for row in rows]}
    write_file(target, json.dumps(content, indent=1) + "\n")
