"""The plot of a trade: every choice a point by its cost and by what it reaches, the best ones joined and named."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from flow.reporting.labels import LETTER, Box, placed
from flow.reporting.svg import NOTHING, Shape, figure, group, line, polyline, rect, text

__all__ = ["Mark", "draw_scatter", "front", "standalone"]

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 920.0, 520.0, 64.0, 24.0, 58.0, 56.0
_LINES, _SIZE, _ROW = 6, 8.0, 15.0
_COLOURS = 6  # classes k0..k5

_STYLE = """
svg { background: #fff; font-family: "Inter", "Helvetica Neue", "Segoe UI", "DejaVu Sans", Arial, sans-serif; }
text { font-size: 12px; fill: #17212b; }
.end { text-anchor: end; } .mid { text-anchor: middle; }
.head { font-weight: 650; font-size: 14px; } .tick, .note { fill: #6a7785; font-size: 11px; } .name { font-size: 11px; }
.also { fill: #8a97a4; font-size: 10px; }
.rule { stroke: #e3e8ed; } .lead { stroke: #aab5bf; stroke-width: 0.7; }
.front { fill: none; stroke: #8a97a4; stroke-width: 1.5; stroke-dasharray: 5 3; }
.k0 { fill: #1f6fb2; } .k1 { fill: #63aee6; } .k2 { fill: #e39a2d; } .k3 { fill: #1b7f4b; } .k4 { fill: #8c5bb5; }
.k5 { fill: #6a7785; }
"""


@dataclass(frozen=True, slots=True)
class Mark:
    """One point.

    Attributes:
        name: what it is.
        kind: the group it belongs to, which has a colour.
        cost: less is better.
        value: more is better.
    """

    name: str
    kind: str
    cost: float
    value: float


def front(marks: Iterable[Mark]) -> list[Mark]:
    """Those that no other beats in one respect without being worse in the other, by rising cost, equals included.

    >>> [mark.name for mark in front([Mark("a", "", 2, 5), Mark("b", "", 1, 4), Mark("c", "", 3, 5)])]
    ['b', 'a']
    """
    found: list[Mark] = []
    for mark in sorted(marks, key=lambda mark: (mark.cost, -mark.value, mark.name)):
        equal = found and (mark.cost, mark.value) == (found[-1].cost, found[-1].value)
        if not found or equal or mark.value > found[-1].value:
            found.append(mark)
    return found


@dataclass(frozen=True, slots=True)
class _Scale:
    """Where costs and values lie in the drawing."""

    costs: tuple[float, float]
    values: tuple[float, float]

    def x(self, cost: float) -> float:
        low, high = self.costs
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * (cost - low) / (high - low)

    def y(self, value: float) -> float:
        low, high = self.values
        return _TOP + (_HEIGHT - _TOP - _BOTTOM) * (high - value) / (high - low)


def _step(span: float) -> float:
    """A round step that parts a span into a handful."""
    power = 10.0 ** math.floor(math.log10(span / _LINES))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if span / (factor * power) <= _LINES)


def _ends(values: Sequence[float], least: float = -math.inf) -> tuple[float, float]:
    low, high = max(min(values), least), max(values)
    room = 0.05 * (high - low) or 1.0
    return low - room, high + room


def _ticks(ends: tuple[float, float]) -> list[float]:
    step = _step(ends[1] - ends[0])
    first = math.ceil(ends[0] / step)
    return [place * step for place in range(first, math.floor(ends[1] / step) + 1)]


def _grid(scale: _Scale, cost: str, value: str) -> Shape:
    bottom, right = _HEIGHT - _BOTTOM, _WIDTH - _RIGHT
    shapes = []
    for tick in _ticks(scale.values):
        y = scale.y(tick)
        shapes += [line(_LEFT, y, right, y, "rule"), text(_LEFT - 8, y + 4, f"{tick:g}", "tick end")]
    for tick in _ticks(scale.costs):
        x = scale.x(tick)
        shapes += [line(x, _TOP, x, bottom, "rule"), text(x, bottom + 18, f"{tick:g}", "tick mid")]
    shapes.append(text((_LEFT + right) / 2, _HEIGHT - 12, cost, "note mid"))
    shapes.append(text(_LEFT - 8, _TOP - 10, value, "note"))
    return group(*shapes)


def _legend(kinds: Mapping[str, str], title: str, value: str) -> Shape:
    """The title, and the groups right of the words above the axis of values; those without room there go above."""
    shapes, x, y = [text(_LEFT - 8, 22, title, "head")], _WIDTH - _RIGHT, _TOP - 19
    for kind, words in reversed(kinds.items()):
        wide = LETTER * len(words) + 24
        if x - wide < _LEFT + LETTER * len(value):
            x, y = _WIDTH - _RIGHT, y - _ROW
        x -= wide
        shapes += [rect(x, y, _SIZE, _SIZE, kind, radius=_SIZE / 2), text(x + 13, y + 8, words, "note")]
    return group(*shapes)


def _names(scale: _Scale, best: Sequence[Mark], others: Sequence[Mark]) -> Shape:
    """The names of the best, and of the others where there is room."""
    marks = [*best, *others]
    points = [(mark.name, scale.x(mark.cost), scale.y(mark.value)) for mark in marks]
    ends = {name: (x, y) for name, x, y in points}
    first = {mark.name for mark in best}
    shapes: list[Shape] = []
    for label in placed(points, len(best), Box(_LEFT, _TOP, _WIDTH - _RIGHT, _HEIGHT - _BOTTOM)):
        if label.far:
            x, y = ends[label.name]
            shapes.append(line(x, y, label.x, label.y + 2 if label.y < y else label.y - 9, "lead"))
        shapes.append(text(label.x, label.y, label.name, f"{'name' if label.name in first else 'also'} mid"))
    return group(*shapes)


def draw_scatter(
    marks: Sequence[Mark],
    title: str,
    cost: str,
    value: str,
    least: float = -math.inf,
    unit: str = "",
    kinds: Sequence[str] = (),
) -> Shape:
    """Points, the front joined and named, others named where there is room; a pointer on a point is told the rest.

    Args:
        marks: at least one.
        title: what is shown.
        cost: words below the axis of costs.
        value: words above the axis of values.
        least: values below it are left out, and counted under the title.
        unit: what stands behind a value.
        kinds: all that there may be, so that each has the same colour in every plot.
    """
    shown = [mark for mark in marks if mark.value >= least]
    scale = _Scale(_ends([mark.cost for mark in shown]), _ends([mark.value for mark in shown], least))
    held = {mark.kind for mark in marks}
    order = dict.fromkeys((*kinds, *(mark.kind for mark in marks)))
    colours = {kind: f"k{index % _COLOURS}" for index, kind in enumerate(order) if kind in held}
    best = front(shown)
    dots = [
        rect(
            scale.x(mark.cost) - _SIZE / 2, scale.y(mark.value) - _SIZE / 2, _SIZE, _SIZE, colours[mark.kind],
            f"{mark.name}: {mark.value:.2f}{unit} at {mark.cost:.2f}", _SIZE / 2,
        )
        for mark in shown
    ]  # fmt: skip
    low = len(marks) - len(shown)
    note = text(_WIDTH - _RIGHT, 22, f"{low} below {least:g}{unit} left out", "note end") if low else NOTHING
    joined = polyline([(scale.x(mark.cost), scale.y(mark.value)) for mark in best], "front")
    legend = _legend({css: kind for kind, css in colours.items()}, title, value)
    names = _names(scale, best, [mark for mark in shown if mark not in best])
    return figure(_WIDTH, _HEIGHT, title, legend, note, _grid(scale, cost, value), joined, *dots, names)


def standalone(drawing: Shape) -> str:
    """A drawing as a file of its own: its name space and its style are in it."""
    head, _, rest = str(drawing).partition(">")
    return f'{head} xmlns="http://www.w3.org/2000/svg">{Markup("<style>")}{_STYLE}{Markup("</style>")}{rest}\n'
