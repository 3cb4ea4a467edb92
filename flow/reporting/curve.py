"""The plot of training: one quantity by epoch, a line for each part of the training, one after another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from flow.reporting.svg import NOTHING, Shape, figure, group, line, polyline, text

__all__ = ["draw_training"]

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 450.0, 196.0, 54.0, 12.0, 30.0, 30.0
_LINES = 4
_KINDS = ("curve first", "curve", "curve third")

Point = tuple[float, float]


def _points(values: Sequence[float], low: float, high: float) -> list[Point]:
    """One point an epoch over the whole width."""
    width, height, steps = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM, max(len(values) - 1, 1)
    return [(_LEFT + width * i / steps, _TOP + height * (high - v) / (high - low)) for i, v in enumerate(values)]


def _grid(low: float, high: float, percent: bool) -> Shape:
    shapes = []
    for index in range(_LINES + 1):
        value = low + (high - low) * index / _LINES
        y = _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - index / _LINES)
        words = f"{100 * value:.1f} %" if percent else f"{value:.2f}"
        shapes += [line(_LEFT, y, _WIDTH - _RIGHT, y, "rule"), text(_LEFT - 7, y + 4, words, "tick end")]
    return group(*shapes)


def _part(index: int, name: str, points: list[Point]) -> Shape:
    """The line of one part, with its name and length below."""
    epochs = f"{len(points)} epoch{'s' * (len(points) > 1)}"
    words = f"{name}: {epochs}" if name else epochs
    middle = (points[0][0] + points[-1][0]) / 2
    kind = _KINDS[index % len(_KINDS)]
    border = line(points[0][0], _TOP, points[0][0], _HEIGHT - _BOTTOM, "border") if index else NOTHING
    return group(border, polyline(points, kind), text(middle, _HEIGHT - 10, words, "tick mid"))


def draw_training(epochs: Sequence[Mapping[str, Any]], key: str) -> Shape:
    """One quantity over the epochs.

    Args:
        epochs: `{"epoch", "loss", "accuracy"}` each, at least one, with `part` where there are several trainings.
        key: `loss`, or `accuracy` in 0..1, which is shown in percent.
    """
    values = [float(epoch[key]) for epoch in epochs]
    low, high = min(values), max(values)
    high = high if high > low else low + 0.01
    points = iter(_points(values, low, high))
    parts = [(name, [next(points) for _ in held]) for name, held in groupby(e.get("part", "") for e in epochs)]
    lines = [_part(index, name, held) for index, (name, held) in enumerate(parts)]
    head = text(_LEFT, _TOP - 14, f"{key} by epoch", "head")
    return figure(_WIDTH, _HEIGHT, f"{key} by epoch", head, _grid(low, high, key == "accuracy"), *lines)
