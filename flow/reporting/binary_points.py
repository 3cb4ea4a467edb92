"""The plot of binary points: for each tensor, where its bits lie on the axis of powers of two, before and after."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flow.errors import FormatError
from flow.formats import FixedPoint
from flow.reporting.svg import Shape, clipped, figure, group, line, rect, text

__all__ = ["draw_binary_points"]

_WIDTH, _LEFT, _RIGHT, _TOP = 920.0, 190.0, 130.0, 44.0
_PITCH, _BEFORE, _AFTER = 34.0, 7.0, 13.0
_MAX_CELL, _NAME_LENGTH = 52.0, 26


@dataclass(frozen=True, slots=True)
class _Axis:
    """Bit positions `high` (leftmost) down to `low`, each `cell` units wide."""

    low: int
    high: int

    @property
    def cell(self) -> float:
        return min(_MAX_CELL, (_WIDTH - _LEFT - _RIGHT) / (self.high - self.low + 1))

    def left(self, position: int) -> float:
        """The left edge of the bit of weight 2**position."""
        return _LEFT + (self.high - position) * self.cell


def _parsed(formats: Mapping[str, str]) -> dict[str, FixedPoint]:
    """The formats that have a binary point; a text that is no fixed-point format is left out."""
    found = {}
    for name, words in formats.items():
        try:
            found[name] = FixedPoint.parse(words)
        except FormatError:
            continue
    return found


def _axis(formats: list[FixedPoint]) -> _Axis:
    lows = [-form.frac for form in formats]
    highs = [form.width - 1 - form.frac for form in formats]
    return _Axis(min([*lows, -1]), max([*highs, 0]))


def _bits(axis: _Axis, form: FixedPoint, y: float, height: float, kind: str) -> Shape:
    """One cell a bit, most significant first; the sign bit of a signed format is drawn apart."""
    top = form.width - 1 - form.frac
    cells = []
    for position in range(top, -form.frac - 1, -1):
        sign = form.signed and position == top
        hint = f"{form}: {'sign bit, weight -' if sign else 'bit of weight '}2^{position}"
        cells.append(rect(axis.left(position) + 0.75, y, axis.cell - 1.5, height, f"{kind}{' sign' * sign}", hint, 2))
    return group(*cells)


def _scale(axis: _Axis, bottom: float) -> Shape:
    """Powers of two along the top and the binary point itself, between 2^0 and 2^-1."""
    step = 1 if axis.cell >= 22 else 2 if axis.cell >= 12 else 4
    middle = axis.cell / 2
    ticks = [p for p in range(axis.low, axis.high + 1) if p % step == 0]
    labels = [text(axis.left(p) + middle, _TOP - 12, f"2{_superscript(p)}", "tick mid") for p in ticks]
    point = axis.left(-1)
    mark = group(line(point, _TOP - 6, point, bottom, "point"), text(point, _TOP - 30, "binary point", "note mid"))
    return group(*labels, mark)


def _superscript(value: int) -> str:
    return str(value).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def _change(before: str | None, after: str) -> tuple[str, str]:
    """Words at the end of a row, and their class."""
    if before is None or before == after:
        return after, "value"
    return f"{before} → {after}", "value moved"


def _row(axis: _Axis, y: float, name: str, before: str | None, after: str, known: Mapping[str, FixedPoint]) -> Shape:
    words, kind = _change(before, after)
    shapes = [
        text(_LEFT - 14, y + 18, clipped(name, _NAME_LENGTH), "label end", name),
        text(_WIDTH - _RIGHT + 14, y + 18, words, kind),
    ]
    if "before" in known:
        shapes.append(_bits(axis, known["before"], y + 2, _BEFORE, "before"))
    if "after" in known:
        shapes.append(_bits(axis, known["after"], y + 11, _AFTER, "after"))
    return group(*shapes)


def draw_binary_points(formats: Mapping[str, str], calibrated: Mapping[str, str]) -> Shape:
    """The span of bits of every tensor after training, with the span calibration had chosen as a thin strip above it.

    Args:
        formats: text form of the learned format by tensor name, in the order to show.
        calibrated: the same before training; names may be missing.
    """
    after, before = _parsed(formats), _parsed(calibrated)
    axis = _axis([*after.values(), *before.values()])
    bottom = _TOP + len(formats) * _PITCH
    rows = []
    for index, (name, words) in enumerate(formats.items()):
        y = _TOP + index * _PITCH
        known = {key: held[name] for key, held in (("before", before), ("after", after)) if name in held}
        rows.append(line(0, y + _PITCH - 2, _WIDTH, y + _PITCH - 2, "rule"))
        rows.append(_row(axis, y, name, calibrated.get(name), words, known))
    return figure(_WIDTH, bottom + 6, "Bits of every tensor by weight", *rows, _scale(axis, bottom))
