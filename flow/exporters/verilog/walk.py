"""In which order a memory is read, as counters inside counters: what flow_reorder asks for.

Places are any list of beats, zeros among them. Most lists that operators need are sums: the axes of a picture each add
an offset of their own, or make a zero. They are found by trying, not by operator, so that whatever comes has a walk; a
list without structure is one counter with a table of all places.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

__all__ = ["ZERO", "Axis", "Walk", "walk_of"]

ZERO = -1  # in a list of places: zeros
_COUNTER = 6  # lines of a table that a counter more must save

Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Axis:
    """One counter.

    Attributes:
        offsets: what it adds at each of its places, `ZERO` where it makes a zero.
    """

    offsets: tuple[int, ...]

    @property
    def step(self) -> int | None:
        """What each place adds to the one before it, from 0 on; None where that is not so."""
        step = self.offsets[1] - self.offsets[0] if len(self.offsets) > 1 else 0
        return step if step >= 0 and self.offsets == tuple(step * i for i in range(len(self.offsets))) else None

    @property
    def cost(self) -> int:
        """Roughly what it takes, in lines of a table."""
        return _COUNTER + (len(self.offsets) if self.step is None else 0)


@dataclass(frozen=True)
class Walk:
    """The places in which a sample of `beats` beats is read.

    Attributes:
        beats: of a sample in.
        axes: the counters, the last one fastest; a place is the sum of their offsets, or `ZERO` where one makes it.
    """

    beats: int
    axes: tuple[Axis, ...]

    @cached_property
    def places(self) -> tuple[int, ...]:
        """Beat by beat of a sample out."""
        found = np.zeros(1, dtype=np.int64)
        for axis in self.axes:
            found = _sums(found, np.array(axis.offsets, dtype=np.int64)).reshape(-1)
        return tuple(found.tolist())

    @property
    def rounds(self) -> int:
        """Beats out for one place of the first counter."""
        return len(self.places) // len(self.axes[0].offsets)

    @cached_property
    def freed(self) -> tuple[int, ...]:
        """After each place of the first counter, how many beats no later one needs; all of them after the last."""
        real = np.array([self.beats if place == ZERO else place for place in (*self.places, self.beats)])
        later = np.minimum.accumulate(real[::-1])[::-1]
        return tuple(later[self.rounds :: self.rounds].tolist())

    @cached_property
    def least(self) -> int:
        """Beats that must be kept at once, at least 1."""
        held = np.repeat(np.array((0, *self.freed[:-1])), self.rounds)
        return max(1, int((np.maximum(np.array(self.places), 0) + 1 - held).max()))

    @property
    def depth(self) -> int:
        """The least depth of a memory whose addresses wrap by themselves."""
        return _power_of_two(self.least)

    @property
    def ample(self) -> int:
        """A depth with which no memory ever holds up a sender: two samples."""
        return _power_of_two(max(2 * self.beats, self.least))


def _power_of_two(count: int) -> int:
    return 1 << max(1, (count - 1).bit_length())


def _sums(outer: Places, inner: Places) -> Places:
    """int64[len(outer), len(inner)]: sums, `ZERO` where either is."""
    zero = (outer[:, None] == ZERO) | (inner[None, :] == ZERO)
    found: Places = np.where(zero, ZERO, outer[:, None] + inner[None, :])
    return found


def _parted(places: Places, size: int) -> tuple[Places, Places] | None:
    """Outer and inner offsets whose sums the places are, the inner ones from 0 on; None where there are none."""
    grid = places.reshape(-1, size)
    rows, columns = (grid != ZERO).any(axis=1), (grid != ZERO).any(axis=0)
    if not rows.any():
        return np.full(len(grid), ZERO), np.zeros(size, dtype=np.int64)
    first = grid[rows.argmax()]
    inner = np.where(columns, first - first[columns].min(), ZERO)
    outer = np.where(rows, grid[:, columns.argmax()] - inner[columns.argmax()], ZERO)
    return (outer, inner) if np.array_equal(_sums(outer, inner), grid) else None


def _axes(places: Places, known: dict[bytes, tuple[Axis, ...]]) -> tuple[Axis, ...]:
    """The counters of least cost."""
    key = places.tobytes()
    if key not in known:
        best = (Axis(tuple(places.tolist())),)
        for size in [n for n in range(2, len(places)) if len(places) % n == 0] if best[0].step is None else []:
            parts = _parted(places, size)
            if parts is not None:
                axes = _axes(parts[0], known) + _axes(parts[1], known)
                best = min(best, axes, key=lambda found: sum(axis.cost for axis in found))
        known[key] = best
    return known[key]


def walk_of(places: Places, beats: int) -> Walk:
    """The walk of least cost.

    Args:
        places: int64[M], beats of a sample or `ZERO`, M at least 1.
        beats: of a sample in.
    """
    return Walk(beats, _axes(places, {}))
