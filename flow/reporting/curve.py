"""The plot of training: accuracy and loss by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flow.reporting.svg import Shape, figure, group, line, polyline, text

__all__ = ["draw_training"]

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 450.0, 190.0, 48.0, 12.0, 26.0, 26.0
_LINES = 4


def _points(values: Sequence[float], low: float, high: float) -> list[tuple[float, float]]:
    width, height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    steps, span = max(len(values) - 1, 1), (high - low) or 1
    return [(_LEFT + width * i / steps, _TOP + height * (1 - (v - low) / span)) for i, v in enumerate(values)]


def _grid(low: float, high: float, percent: bool) -> Shape:
    shapes = []
    for index in range(_LINES + 1):
        value = low + (high - low) * index / _LINES
        y = _TOP + (_HEIGHT - _TOP - _BOTTOM) * (1 - index / _LINES)
        words = f"{100 * value:.1f} %" if percent else f"{value:.3g}"
        shapes += [line(_LEFT, y, _WIDTH - _RIGHT, y, "rule"), text(_LEFT - 6, y + 4, words, "tick end")]
    return group(*shapes)


def draw_training(epochs: Sequence[Mapping[str, Any]], key: str) -> Shape:
    """One quantity over the epochs.

    Args:
        epochs: `{"epoch", "loss", "accuracy"}` each, at least one.
        key: `loss`, or `accuracy` in 0..1, which is shown in percent.
    """
    values = [float(epoch[key]) for epoch in epochs]
    low, high = min(values), max(values)
    first, last = epochs[0]["epoch"], epochs[-1]["epoch"]
    return figure(
        _WIDTH, _HEIGHT, f"{key} by epoch",
        text(_LEFT, _TOP - 12, key, "head"),
        _grid(low, high if high > low else low + 1e-3, key == "accuracy"),
        polyline(_points(values, low, high if high > low else low + 1e-3), "curve"),
        text(_LEFT, _HEIGHT - 8, f"epoch {first}", "tick"),
        text(_WIDTH - _RIGHT, _HEIGHT - 8, f"epoch {last}", "tick end"),
    )  # fmt: skip
