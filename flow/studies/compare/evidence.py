"""What the rows of `compare.json` say when they are asked: by target and unit, per MAC, as points of a trade."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flow.reporting.scatter import Mark

__all__ = [
    "INTEGERS",
    "KINDS",
    "LANES",
    "UNITS",
    "Row",
    "Rows",
    "cost_marks",
    "extra_of",
    "marks_of",
    "memory_marks",
    "per_mac",
    "table",
]

Row = Mapping[str, Any]
UNITS = {
    "mul": "multiplier",
    "mac": "MAC",
    "dot8": "dot-8",
    "dot32": "dot-32",
    "dot8_back": "dot-8 and back",
    "tile": "2 x 2 dot-8",
}
KINDS = {
    "integer": "integer",
    "sign_magnitude": "sign and magnitude",
    "minifloat": "minifloat",
    "block": "block",
    "khot": "K-hot weights",
    "lmul": "L-Mul",
}
INTEGERS = ("integer", "sign_magnitude")
LANES = {"mul": 1, "mac": 1, "dot8": 8, "dot32": 32, "dot8_back": 8, "tile": 32}  # products
_PER_MAC = ("dot32", "dot8", "mac")  # which unit says what a MAC costs: that of most formats, of equals the first


class Rows:
    """The rows of one file, by what they are of."""

    def __init__(self, content: Row) -> None:
        self.content = content
        self.rows: list[Row] = content["rows"]

    def targets(self) -> list[tuple[str, bool]]:
        return list(dict.fromkeys((row["family"], row["with_dsp"]) for row in self.rows))

    def of(self, family: str, with_dsp: bool, unit: str) -> dict[str, Row]:
        """Rows of one unit by format."""
        key = (family, with_dsp, unit)
        return {r["format"]: r for r in self.rows if (r["family"], r["with_dsp"], r["unit"]) == key}

    def accuracy(self, net: str, scope: str, method: str) -> dict[str, float]:
        """Percent by format."""
        key = (net, scope, method)
        found = (r for r in self.content["accuracies"] if (r["net"], r["scope"], r["method"]) == key)
        return {r["format"]: 100 * r["accuracy"] for r in found}

    def nets(self) -> list[str]:
        return list(dict.fromkeys(row["net"] for row in self.content["accuracies"]))


def table(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Markdown: the first column to the left, numbers to the right."""
    rule = ["---", *["---:"] * (len(headings) - 1)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (headings, rule, *lines))


def _split(row: Row) -> tuple[int, int]:
    exponent, _, mantissa = row["format"].removeprefix("e").partition("m")
    return int(exponent), int(mantissa)


def true_minifloats(rows: Mapping[str, Row]) -> list[Row]:
    """Minifloats that are no integers: with one exponent bit they are, and no mantissa is a power of two."""
    held = [row for row in rows.values() if row["kind"] == "minifloat"]
    return [row for row in held if _split(row)[0] > 1 and _split(row)[1] > 0]


def per_mac(content: Row, family: str) -> tuple[str, dict[str, float]]:
    """The unit that says what a MAC costs, and LUT places a MAC by format, without DSPs."""
    tables = {unit: Rows(content).of(family, False, unit) for unit in _PER_MAC}
    unit = max(tables, key=lambda unit: len(tables[unit]))
    return unit, {name: row["sites"] / LANES[unit] for name, row in tables[unit].items()}


def marks_of(content: Row, net: str, method: str, costs: Mapping[str, float]) -> list[Mark]:
    """Accuracy with weights and activations in each format against what it costs."""
    reached = Rows(content).accuracy(net, "both", method)
    kinds = {row["format"]: row["kind"] for row in content["accuracies"]}
    marks = [
        Mark(name, KINDS[kinds[name]], costs[name], value)
        for name, value in reached.items()
        if name in costs and not name.startswith("e1m")  # which is sign and magnitude by another name
    ]
    return sorted(marks, key=lambda mark: list(KINDS.values()).index(mark.kind))


def cost_marks(content: Row, family: str, net: str, method: str) -> list[Mark]:
    """Accuracy against LUT places a MAC."""
    return marks_of(content, net, method, per_mac(content, family)[1])


def memory_marks(content: Row, net: str, method: str) -> list[Mark]:
    """Accuracy against the bits that store a value."""
    bits = {row["format"]: row["memory_bits"] for row in content["accuracies"] if row["format"] != "float"}
    return marks_of(content, net, method, bits)


def _excess(row: Row, base: Row) -> float:
    # Without the last digits, in which 1.2 - 1 is less than 20 %.
    return round(100.0 * (row["sites"] / base["sites"] - 1.0), 6)


def extra_of(rows: Mapping[str, Row], base: str) -> dict[str, float]:
    """Percent by which each minifloat exceeds the integer of its size; `base` is the prefix of the integer's name."""
    return {
        row["format"]: _excess(row, rows[f"{base}{row['bits']}"])
        for row in true_minifloats(rows)
        if f"{base}{row['bits']}" in rows
    }
