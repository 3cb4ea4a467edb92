"""What every benchmark shares: its arguments and its table; rows and JSON are those of `flow study`."""

from __future__ import annotations

import argparse
import resource
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from flow.studies.rows import Row, machine, versions, write_rows

__all__ = ["Row", "arguments", "children", "machine", "publish", "versions"]


def arguments(description: str) -> argparse.ArgumentParser:
    """A parser that knows --json."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows there as well")
    return parser


def publish(title: str, rows: list[Row], packages: Iterable[str], target: Path | None) -> None:
    """Print the rows as a table, and write them where asked."""
    table = Table("case", "who", "value", "unit", "ratio to flow", title=title, caption=machine())
    for row in rows:
        ratio = "" if row.ratio_to_flow is None else f"{row.ratio_to_flow:.3g}"
        table.add_row(row.case, row.who, f"{row.value:.4g}", row.unit, ratio)
    Console().print(table)
    if target is not None:
        write_rows(target, rows, packages)


def children() -> float:
    """Seconds that finished child processes have computed."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
