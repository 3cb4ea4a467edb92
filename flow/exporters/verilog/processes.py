"""The cells of `rtl/` as equations between the times at which beats move; a test holds them equal to the clock.

Every time is the latest of some earlier ones plus a few cycles, so that the times of all beats are the one solution of
such equations (F. Baccelli et al., Synchronization and Linearity, 1992), in whatever order they are settled. Each
process settles all beats of a design at once and is asked again when a neighbour has moved one of them. Bounded buffers
are equations too, of what must be there and what must have left, whenever that is: no cell holds more beats in one
pattern of pauses than in another, so a design that comes to its end here comes to it under every one.

All times count clock edges. A channel is offered from some edge on and moves at the one at which both sides are ready.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Channel",
    "Process",
    "Times",
    "fifo",
    "fork",
    "gather",
    "host",
    "join",
    "paced",
    "register",
    "select",
    "sink",
    "twice",
    "window",
]

Times = NDArray[np.int64]
# Registers between a power that is read again and its share: factor and power, product, share.
_SHARE_STAGES = 2


class Channel:
    """A handshake between two cells.

    Attributes:
        offered: int64[beats], when each beat is there, at the earliest; later than the move of the one before it.
        moved: int64[beats], when each beat moves.
        changes: how often either has changed.
    """

    __slots__ = ("changes", "moved", "offered")

    def __init__(self, beats: int) -> None:
        self.offered = np.zeros(beats, dtype=np.int64)
        self.moved = np.zeros(beats, dtype=np.int64)
        self.changes = 0

    def offer(self, times: Times) -> None:
        """What the sender says."""
        if self.offered.tobytes() != times.tobytes():
            self.offered = times
            self.changes += 1

    def move(self, times: Times) -> None:
        """What the receiver says."""
        if self.moved.tobytes() != times.tobytes():
            self.moved = times
            self.changes += 1


@dataclass(frozen=True, slots=True)
class Process:
    """A cell.

    Attributes:
        settle: makes the times that the cell sets fit those that its neighbours set.
        channels: those that it sets or looks at.
        cycles: in which it works and no beat moves, at most.
    """

    settle: Callable[[], None]
    channels: tuple[Channel, ...]
    cycles: int = 0


@lru_cache(maxsize=256)
def _steps(beats: int) -> Times:
    return np.arange(beats, dtype=np.int64)


def paced(floor: Times) -> Times:
    """The earliest times at or above `floor` of which each is later than the one before it."""
    if (floor[1:] > floor[:-1]).all():  # most are, and looking takes less than what follows
        return floor
    steps = _steps(len(floor))
    times = np.maximum.accumulate(floor - steps)
    times += steps
    return times


def _behind(offered: Times, moved: Times, beats: int) -> Times:
    """`offered`, but each not before the beat `beats` earlier has left."""
    floor = offered.copy()
    np.maximum(floor[beats:], moved[: max(len(floor) - beats, 0)], out=floor[beats:])
    return floor


def host(out: Channel) -> Process:
    """A sender that always has the next beat; the first moves at 0."""

    def settle() -> None:
        offered = out.moved + 1
        offered[1:] = offered[:-1].copy()
        offered[:1] = 0
        out.offer(offered)

    return Process(settle, (out,))


def sink(source: Channel) -> Process:
    """A receiver that is always ready."""
    return Process(lambda: source.move(paced(source.offered)), (source,))


def register(source: Channel, out: Channel) -> Process:
    """A beat's register whose ready passes through."""

    def settle() -> None:
        taken = paced(_behind(source.offered, out.moved, 1))
        source.move(taken)
        out.offer(taken + 1)

    return Process(settle, (source, out))


def fifo(source: Channel, out: Channel, depth: int) -> Process:
    """Up to `depth` beats; 0 for any number."""

    def settle() -> None:
        taken = paced(_behind(source.offered, out.moved + 1, depth) if depth else source.offered)
        source.move(taken)
        out.offer(taken + 1)

    return Process(settle, (source, out))


def fork(source: Channel, ways: Sequence[Channel]) -> Process:
    """Every beat to every way; the next is offered when all have it."""

    def settle() -> None:
        taken = np.maximum.reduce([way.moved for way in ways])
        offered = _behind(source.offered, taken + 1, 1)
        for way in ways:
            way.offer(offered)
        source.move(taken)

    return Process(settle, (source, *ways))


def join(a: Channel, b: Channel, out: Channel) -> Process:
    """A register that takes a beat of both."""

    def settle() -> None:
        taken = paced(_behind(np.maximum(a.offered, b.offered), out.moved, 1))
        a.move(taken)
        b.move(taken)
        out.offer(taken + 1)

    return Process(settle, (a, b, out))


def select(parts: Sequence[Channel], out: Channel, turns: Sequence[int]) -> Process:
    """A register that takes a beat of the part whose turn it is; the turns repeat."""
    beats = len(out.moved)
    turn = np.resize(np.array(turns, dtype=np.int64), beats)
    places = [np.flatnonzero(turn == number) for number in range(len(parts))]

    def settle() -> None:
        offered = np.empty(beats, dtype=np.int64)
        for part, place in zip(parts, places, strict=True):
            offered[place] = part.offered
        taken = paced(_behind(offered, out.moved, 1))
        for part, place in zip(parts, places, strict=True):
            part.move(taken[place])
        out.offer(taken + 1)

    return Process(settle, (*parts, out))


def gather(source: Channel, out: Channel, beats: int) -> Process:
    """One result of `beats` beats; only the last of them waits for room."""

    def settle() -> None:
        floor = source.offered.copy()
        last = floor[beats - 1 :: beats]
        np.maximum(last[1:], out.moved[:-1], out=last[1:])
        taken = paced(floor)
        source.move(taken)
        out.offer(taken[beats - 1 :: beats] + 1)

    return Process(settle, (source, out))


def twice(source: Channel, out: Channel, beats: int, wait: int) -> Process:
    """A row of `beats` beats, then as many results: the first of them is read `wait` edges after the row's last beat.

    A result passes two registers, which stand still while one has no room; the next row comes when the last has left
    them.
    """
    rows, first = len(source.moved) // beats, beats + wait - 1
    loads = first + _SHARE_STAGES  # the edge at which a row's first result is there to be taken

    def settle() -> None:
        floor = np.zeros((rows, loads + beats), dtype=np.int64)
        floor[:, :beats] = source.offered.reshape(rows, beats)
        left = out.moved.reshape(rows, beats)
        floor[1:, first] = left[:-1, -1]
        floor[:, loads + 1 :] = left[:, :-1]
        taken = paced(floor.reshape(-1)).reshape(floor.shape)
        source.move(taken[:, :beats].reshape(-1))
        out.offer(taken[:, loads:].reshape(-1) + 1)

    return Process(settle, (source, out), rows * (wait + _SHARE_STAGES))


def window(
    source: Channel, out: Channel, depth: int, reads: Times, ends: Sequence[tuple[int, int]], beats: int
) -> tuple[Process, Process]:
    """Both sides of a window's ring.

    Args:
        source: `beats` beats an image.
        out: a beat for every entry of `reads`.
        depth: beats of the ring.
        reads: the beat of the image that each beat out waits for.
        ends: after how many beats out how many beats of the image are released.
        beats: of an image.
    """
    images = _steps(len(source.moved) // beats)[:, None]
    after, freed = np.array(ends, dtype=np.int64).T
    needed = (images * beats + reads).reshape(-1)
    last = (images * len(reads) + after - 1).reshape(-1)
    free = np.searchsorted((images * beats + freed).reshape(-1), _steps(len(source.moved))[: -depth or None], "right")
    released = Channel(len(last))

    def write() -> None:
        released.move(released.offered)
        source.move(paced(_behind(source.offered, released.offered.take(free) + 1, depth)))

    def read() -> None:
        taken = paced(_behind(source.moved.take(needed) + 1, out.moved, 1))
        out.offer(taken + 1)
        released.offer(taken[last])

    return Process(write, (source, released)), Process(read, (source, out, released))
