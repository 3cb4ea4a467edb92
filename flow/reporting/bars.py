"""The bar plots: cost per layer beside its measurement, and the share of the board that is used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flow.reporting.svg import Shape, clipped, figure, group, line, rect, text

__all__ = ["draw_layers", "draw_utilisation"]

RESOURCES = {"lut": "LUT", "ff": "FF", "dsp": "DSP", "bram": "BRAM36"}
_WIDTH, _LEFT, _GAP = 920.0, 170.0, 26.0
_TOP, _BAR, _PITCH = 34.0, 9.0, 30.0
_FIGURES, _NAME_LENGTH = 56.0, 24
_TRACK, _ROW = 560.0, 34.0

Layer = Mapping[str, Any]


def shown(value: float) -> str:
    """A count for the eye: thousands apart, halves of a block RAM as .5.

    >>> shown(12034), shown(1.5), shown(0)
    ('12,034', '1.5', '0')
    """
    return f"{value:,.1f}".removesuffix(".0")


def _longest(layers: Sequence[Layer], measured: Mapping[str, Layer], key: str) -> float:
    values = [layer[key] for layer in layers] + [layer.get(key, 0) for layer in measured.values()]
    return max([*values, 0]) or 1


def _bar(x: float, y: float, room: float, share: float, kind: str, hint: str) -> Shape:
    return rect(x, y, max(room * share, 1.5 if share else 0), _BAR, kind, hint, 1.5)


def _pair(x: float, y: float, room: float, key: str, values: tuple[float, float | None], longest: float) -> Shape:
    """One layer's estimate over its measurement, with the figures at the ends of the bars."""
    kinds = ("estimate", "measured")
    shapes = []
    for row, (kind, value) in enumerate(zip(kinds, values, strict=True)):
        if value is None:
            continue
        top = y + row * (_BAR + 2)
        shapes.append(_bar(x, top, room, value / longest, kind, f"{kind} {shown(value)} {RESOURCES[key]}"))
        shapes.append(text(x + room * value / longest + 5, top + _BAR - 0.5, shown(value), "figure"))
    return group(*shapes)


def _column(x: float, room: float, key: str, layers: Sequence[Layer], measured: Mapping[str, Layer]) -> Shape:
    longest = _longest(layers, measured, key)
    bottom = _TOP + len(layers) * _PITCH
    shapes = [text(x, _TOP - 14, RESOURCES[key], "head"), line(x, _TOP - 6, x, bottom - 6, "axis")]
    for index, layer in enumerate(layers):
        other = measured.get(layer["name"], {}).get(key)
        shapes.append(_pair(x, _TOP + index * _PITCH, room - _FIGURES, key, (layer[key], other), longest))
    return group(*shapes)


def draw_layers(layers: Sequence[Layer], measured: Sequence[Layer]) -> Shape:
    """Four columns of bars, one a resource, one row a layer; each column has a scale of its own.

    Args:
        layers: `{"name", "op", "lut", "ff", "dsp", "bram"}` as estimated.
        measured: the same as synthesised, or empty.
    """
    found = {layer["name"]: layer for layer in measured}
    room = (_WIDTH - _LEFT - 3 * _GAP) / 4
    shapes = []
    for index, layer in enumerate(layers):
        y = _TOP + index * _PITCH
        shapes.append(text(_LEFT - 12, y + 9, clipped(layer["name"], _NAME_LENGTH), "label end", layer["name"]))
        shapes.append(text(_LEFT - 12, y + 20, layer["op"], "note end"))
    columns = [_column(_LEFT + i * (room + _GAP), room, key, layers, found) for i, key in enumerate(RESOURCES)]
    height = _TOP + len(layers) * _PITCH + 4
    return figure(_WIDTH, height, "Cost of every layer, estimated and measured", *shapes, *columns)


def _share(y: float, key: str, percent: float, ceiling: float | None, words: str) -> Shape:
    over = ceiling is not None and percent > ceiling
    left = _LEFT - 80
    shapes = [
        text(left - 12, y + 15, RESOURCES[key], "label end"),
        rect(left, y + 4, _TRACK, 14, "track", radius=3),
        rect(left, y + 4, _TRACK * min(percent, 100) / 100, 14, "share over" if over else "share", radius=3),
        text(left + _TRACK + 14, y + 15, f"{percent:.1f} %", "value over" if over else "value"),
        text(left + _TRACK + 74, y + 15, words + " · over the ceiling" * over, "note over" if over else "note"),
    ]
    if ceiling is not None:
        x = left + _TRACK * ceiling / 100
        shapes.append(line(x, y, x, y + 22, "ceiling"))
    return group(*shapes)


def draw_utilisation(cost: Mapping[str, Any]) -> Shape:
    """The share of the board that the design takes, with a mark at the ceiling of each resource.

    Args:
        cost: `estimate.json`; `utilisation` and `ceilings` are percent by resource, `capacity` counts.
    """
    used, ceilings, capacity = cost["utilisation"], cost.get("ceilings", {}), cost.get("capacity", {})
    rows = []
    for index, key in enumerate(name for name in RESOURCES if name in used):
        of = f" of {shown(capacity[key])}" if key in capacity else ""
        rows.append(_share(index * _ROW + 4, key, used[key], ceilings.get(key), f"{shown(cost['total'][key])}{of}"))
    return figure(_WIDTH, len(rows) * _ROW + 4, "Share of the board in use", *rows)
