"""From accuracies by cell to the table, the verdicts and the rows."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass

from flow.studies.cells import METHODS, Cell
from flow.studies.outcome import Outcome, Sheet
from flow.studies.rows import SpreadRow

__all__ = ["Accuracies", "outcome"]

_COLUMNS = ("float", *METHODS)
_NAMES = {"float": "float", "ptq": "best PTQ", "learned": "learned", "khot1": "K=1", "khot2": "K=2", "khot3": "K=3"}
_CAPTION = (
    "Test accuracy in percent, mean±sample standard deviation over seeds. "
    "=: no code of that width has more digits, so that the net is the learned one."
)
_PACKAGES = ("torch", "numpy", "scikit-learn", "matplotlib", "pillow", "qfx-flow")
_TARGET_BITS, _FROM_FLOAT, _FROM_PLAIN = 4, 1.0, 0.5  # bits, and points of accuracy


@dataclass(frozen=True, slots=True)
class Accuracies:
    """What one net reached.

    Attributes:
        net: its name.
        dataset: what it was tested on.
        percent: by cell, for the cells that are finished.
    """

    net: str
    dataset: str
    percent: dict[Cell, float]

    def by_seed(self, bits: int, method: str) -> dict[int, float]:
        """Percent by seed; the float network has one accuracy whatever the bits are."""
        width = None if method == "float" else bits
        return {cell.seed: value for cell, value in self.percent.items() if (cell.bits, cell.method) == (width, method)}

    def gap(self, bits: int, method: str, other: str) -> float | None:
        """Mean of `method` less `other` over the seeds that have both, None where none has."""
        one, two = self.by_seed(bits, method), self.by_seed(bits, other)
        both = one.keys() & two.keys()
        return statistics.fmean(one[seed] - two[seed] for seed in both) if both else None


def _spread(values: list[float]) -> float | None:
    return statistics.stdev(values) if len(values) > 1 else None


def _text(found: Accuracies, bits: int, method: str) -> str:
    values = list(found.by_seed(bits, method).values())
    if not values:
        return ""
    spread = _spread(values)
    text = f"{statistics.fmean(values):.2f}" + ("" if spread is None else f"±{spread:.2f}")
    return f"{text}=" if Cell(0, bits, method).alike.method != method else text


def _sheet(found: Accuracies, bits: tuple[int, ...]) -> Sheet:
    lines = []
    for width in bits:
        counts = [len(found.by_seed(width, method)) for method in _COLUMNS]
        seeds = f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)}..{max(counts)}"
        lines.append((str(width), seeds, *(_text(found, width, method) for method in _COLUMNS)))
    headings = ("bits", "seeds", *(_NAMES[method] for method in _COLUMNS))
    return Sheet(f"{found.net} on {found.dataset}", headings, tuple(lines), _CAPTION)


def _rows(found: Accuracies, bits: tuple[int, ...]) -> list[SpreadRow]:
    rows = []
    for width in bits:
        learned = list(found.by_seed(width, "learned").values())
        unit = statistics.fmean(learned) if learned else None
        for method in _COLUMNS:
            values = list(found.by_seed(width, method).values())
            if values:
                mean, case = statistics.fmean(values), f"{found.net} on {found.dataset}, {width} bits"
                ratio = mean / unit if unit else None
                rows.append(SpreadRow(case, _NAMES[method], mean, "%", ratio, _spread(values), len(values)))
    return rows


@dataclass(frozen=True, slots=True)
class _Target:
    """A gap that must not fall below a limit, at any of some word lengths."""

    wish: str
    method: str
    other: str
    least: float
    concerns: Callable[[int], bool]

    def verdict(self, found: Accuracies, bits: tuple[int, ...]) -> str:
        gaps = {width: found.gap(width, self.method, self.other) for width in bits if self.concerns(width)}
        known = {width: gap for width, gap in gaps.items() if gap is not None}
        if not known:
            return f"{found.net}: {self.wish}: not measured."
        width = min(known, key=lambda width: known[width])
        state = "met" if known[width] >= self.least else "missed"
        pair = f"{_NAMES[self.method]} - {_NAMES[self.other]}"
        return f"{found.net}: {self.wish}: {state}; {pair} is {known[width]:+.2f} points at {width} bits."


_TARGETS = (
    _Target("at 4 bits within 1 point of float", "learned", "float", -_FROM_FLOAT, lambda bits: bits == _TARGET_BITS),
    _Target("at every width at or above the best PTQ", "learned", "ptq", 0.0, lambda bits: True),
    _Target("2-hot within 0.5 point of the plain multiplier", "khot2", "learned", -_FROM_PLAIN, lambda bits: True),
)


def outcome(tables: list[Accuracies], bits: tuple[int, ...]) -> Outcome:
    """Tables and verdicts of all nets; a gap is judged at the width where it is worst."""
    return Outcome(
        tuple(_sheet(found, bits) for found in tables),
        tuple(target.verdict(found, bits) for found in tables for target in _TARGETS),
        tuple(row for found in tables for row in _rows(found, bits)),
        _PACKAGES,
    )
