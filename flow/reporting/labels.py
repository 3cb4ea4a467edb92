"""Where the names of points stand, so that none covers another name or a point."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = ["LETTER", "Box", "Label", "placed"]

LETTER = 6.4  # width of a letter
_ROW, _GAP, _POINT = 13.0, 9.0, 4.0  # height of a line, from a point to its name, half a point
_APART = 1.5  # beside a name
_UP, _DOWN = 8.0, 3.0  # of a letter above and below its baseline
_FAR = 12  # rows that a name is moved at most


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of the drawing, y downwards."""

    left: float
    top: float
    right: float
    bottom: float

    def covers(self, other: Box) -> bool:
        """Whether the two have a part in common."""
        beside = self.right <= other.left or other.right <= self.left
        return not (beside or self.bottom <= other.top or other.bottom <= self.top)

    def holds(self, other: Box) -> bool:
        """Whether all of the other is inside."""
        across = self.left <= other.left and other.right <= self.right
        return across and self.top <= other.top and other.bottom <= self.bottom


@dataclass(frozen=True, slots=True)
class Label:
    """A name, the middle of its baseline, and whether it is so far from its point that it needs a line to it."""

    name: str
    x: float
    y: float
    far: bool

    @property
    def box(self) -> Box:
        """What it covers."""
        half = LETTER * len(self.name) / 2 + _APART
        return Box(self.x - half, self.y - _UP, self.x + half, self.y + _DOWN)


def _near(name: str, x: float, y: float) -> Iterator[Label]:
    """Above, to the right, to the left, below."""
    side = LETTER * len(name) / 2 + _GAP - 3
    for across, down in ((0.0, -_GAP), (side, 4.0), (-side, 4.0), (0.0, _GAP + _UP)):
        yield Label(name, x + across, y + down, False)


def _away(name: str, x: float, y: float) -> Iterator[Label]:
    """Rows further up and down, straight and to both sides."""
    half = LETTER * len(name) / 2
    for row in range(1, _FAR):
        for across in (0.0, -half - _GAP, half + _GAP):
            yield Label(name, x + across, y - _GAP - row * _ROW, True)
            yield Label(name, x + across, y + _GAP + _UP + row * _ROW, True)


def placed(points: Sequence[tuple[str, float, float]], needed: int, frame: Box) -> list[Label]:
    """Labels of named points: of the first `needed` all, of the others those that find room beside their point.

    Args:
        points: name, x and y, the most important first.
        needed: how many must have a label, if need be away from their point.
        frame: that no label leaves.
    """
    dots = {(x, y): Box(x - _POINT, y - _POINT, x + _POINT, y + _POINT) for _, x, y in points}
    found: list[Label] = []
    for place, (name, x, y) in enumerate(points):
        choices = [*_near(name, x, y), *(_away(name, x, y) if place < needed else ())]
        others = [*(label.box for label in found), *dots.values()]
        free = (c for c in choices if frame.holds(c.box) and not any(c.box.covers(other) for other in others))
        label = next(free, choices[0] if place < needed else None)
        if label is not None:
            found.append(label)
    return found
