"""What every benchmark shares: where it ran, its table, and its JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Row:
    """One figure; `ratio_to_flow` is it divided by flow's in the same case, None where flow has none."""

    case: str
    who: str
    value: float
    unit: str
    ratio_to_flow: float | None = None


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


def arguments(description: str) -> argparse.ArgumentParser:
    """A parser that knows --json."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there as well")
    return parser


def publish(title: str, rows: list[Row], packages: Iterable[str], target: Path | None) -> None:
    """Print the rows as a table, and write them where asked."""
    table = Table("case", "who", "value", "unit", "ratio to flow", title=title, caption=machine())
    for row in rows:
        ratio = "" if row.ratio_to_flow is None else f"{row.ratio_to_flow:.2f}"
        table.add_row(row.case, row.who, f"{row.value:.4g}", row.unit, ratio)
    Console().print(table)
    if target is not None:
        content = {"machine": machine(), "versions": versions(packages), "rows": [asdict(row) for row in rows]}
        target.write_text(json.dumps(content, indent=1) + "\n")
