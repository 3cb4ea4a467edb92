"""What nets trained to budgets come to beside nets of one word length: table, sentences, rows and drawing."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flow.estimation.budget import Budget
from flow.reporting.scatter import Mark, draw_scatter, standalone
from flow.studies.outcome import Outcome, Sheet
from flow.studies.rows import SpreadRow

__all__ = ["Point", "dominated", "drawn", "outcome", "points_of", "stored_points", "verdicts"]

_LEARNED, _UNIFORM = "flow, to a budget", "flow, one width"
_LUT, _ESTIMATED, _PERCENT = "LUT", "LUT, estimated", "%"
_PACKAGES = ("torch", "alkaid", "pyosys", "optuna")


@dataclass(frozen=True, slots=True)
class Point:
    """One net under one condition.

    Attributes:
        name: the budget such as `lut<=1000`, or the word length in words.
        learned: whether trained to a budget.
        luts: as Yosys has them, of each seed.
        percents: of the test samples that are right, of the same seeds.
        estimated: LUTs as training to the budget has estimated them, of the same seeds; empty without a budget, and
            where a seed was stored before they were kept.
    """

    name: str
    learned: bool
    luts: tuple[float, ...]
    percents: tuple[float, ...]
    estimated: tuple[float, ...] = ()

    @property
    def lut(self) -> float:
        """The mean over the seeds."""
        return statistics.mean(self.luts)

    @property
    def accuracy(self) -> float:
        """The mean over the seeds, percent."""
        return statistics.mean(self.percents)

    @property
    def met(self) -> int:
        """How many seeds keep to the budget and use all but 3 % of it; 0 without one."""
        return sum(Budget.parse(self.name).met(round(lut)) for lut in self.luts) if self.learned else 0


def points_of(found: Iterable[Mapping[str, float]]) -> list[Point]:
    """One point for each budget and word length of finished cells, by LUTs."""
    groups: dict[tuple[int, int], list[Mapping[str, float]]] = {}
    for entry in found:
        groups.setdefault((int(entry["budget"]), int(entry["bits"])), []).append(entry)
    made = [
        Point(
            f"lut<={budget}" if budget else f"{bits} bits everywhere",
            budget > 0,
            tuple(entry["lut"] for entry in group),
            tuple(100 * entry["accuracy"] for entry in group),
            tuple(entry["estimated"] for entry in group) if all("estimated" in entry for entry in group) else (),
        )
        for (budget, bits), group in groups.items()
    ]
    return sorted(made, key=lambda point: point.lut)


def stored_points(rows: Iterable[Mapping[str, Any]]) -> list[Point]:
    """The points whose rows `flow study pareto --json` has written."""
    values: dict[tuple[str, bool], dict[str, tuple[float, ...]]] = {}
    for row in rows:
        values.setdefault((row["case"], row["who"] == _LEARNED), {})[row["unit"]] = tuple(row["values"])
    return [
        Point(name, learned, held[_LUT], held[_PERCENT], held.get(_ESTIMATED, ()))
        for (name, learned), held in values.items()
    ]


def dominated(point: Point, points: Sequence[Point]) -> bool:
    """Whether a learned net is at least as accurate with at most as many LUTs, by the means over the seeds."""
    return any(p.learned and p.lut <= point.lut and p.accuracy >= point.accuracy for p in points)


def verdicts(points: Sequence[Point]) -> tuple[str, ...]:
    """Which word lengths are dominated, and how many budgets are met; nothing without points."""
    uniform, learned = ([point for point in points if point.learned is kind] for kind in (False, True))
    if not (uniform and learned):
        return ()
    beaten = [point.name.split()[0] for point in uniform if dominated(point, points)]
    which = f" ({', '.join(beaten)} bits)" if beaten else ""
    asked = sum(len(point.luts) for point in learned)
    return (
        f"Nets trained to a budget dominate {len(beaten)} of {len(uniform)} word lengths used for everything{which}.",
        f"{sum(point.met for point in learned)} of {asked} trainings met their budget within 3 %, as Yosys measures.",
    )


def drawn(name: str, points: Sequence[Point]) -> str:
    """Accuracy against LUTs, means over seeds, as an SVG file."""
    marks = [Mark(p.name, _LEARNED if p.learned else _UNIFORM, p.lut, p.accuracy) for p in points]
    title = f"{name}: accuracy against LUTs, Yosys, {_seeds(points)}"
    return standalone(draw_scatter(marks, title, _LUT, "test accuracy, %", unit=" %", kinds=(_LEARNED, _UNIFORM)))


def outcome(name: str, points: Sequence[Point]) -> Outcome:
    """The table of a recipe's points, and what is to be said of them."""
    lines = tuple(_line(point, points) for point in points)
    sheet = Sheet(f"{name}: accuracy against LUTs by Yosys, {_seeds(points)}", _HEADINGS, lines)
    rows = tuple(row for point in points for row in _rows(point))
    drawing = drawn(name, points) if points else None
    return Outcome((sheet,), verdicts(points), rows, _PACKAGES, drawing)


_HEADINGS = ("net", "LUT", "budget met", "accuracy %", "dominated")


def _deviation(values: Sequence[float]) -> float | None:
    return statistics.stdev(values) if len(values) > 1 else None


def _text(values: Sequence[float], form: str) -> str:
    mean, spread = statistics.mean(values), _deviation(values)
    return format(mean, form) if spread is None else f"{mean:{form}} ± {spread:{form}}"


def _line(point: Point, points: Sequence[Point]) -> tuple[str, ...]:
    met = f"{point.met} of {len(point.luts)}" if point.learned else ""
    beaten = "" if point.learned else ("yes" if dominated(point, points) else "no")
    return point.name, _text(point.luts, ",.0f"), met, _text(point.percents, ".2f"), beaten


def _rows(point: Point) -> tuple[SpreadRow, ...]:
    who = _LEARNED if point.learned else _UNIFORM
    return tuple(
        SpreadRow(point.name, who, statistics.mean(each), unit, None, _deviation(each), len(each), each)
        for each, unit in ((point.luts, _LUT), (point.estimated, _ESTIMATED), (point.percents, _PERCENT))
        if each
    )


def _seeds(points: Sequence[Point]) -> str:
    counts = sorted({len(point.luts) for point in points}) or [0]
    told = " to ".join(dict.fromkeys(str(count) for count in (counts[0], counts[-1])))
    return f"{told} seed{'' if counts[-1] == 1 else 's'}"
