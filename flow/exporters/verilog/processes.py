"""The cells of `rtl/` as processes that know when every beat moves; a test holds them equal to the simulated clock.

A network of processes that wait for one channel at a time gives the same beats in whatever order it runs (G. Kahn,
1974). Bounded buffers are channels of free places, so this holds for them too: a design whose processes come to their
end here comes to it under every pattern of idle cycles and stalls.

All times count clock edges. A channel is offered from some edge on and moves at the one at which both sides are ready.
A process yields when it waits for a neighbour.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

__all__ = [
    "Channel",
    "Process",
    "fifo",
    "fork",
    "gather",
    "host",
    "join",
    "matrix",
    "register",
    "run",
    "select",
    "sink",
    "window",
]

Process = Iterator[None]
# Registers between the step that completes a neuron fold and its beat: operands, dot product, result.
_DOT_STAGES = 2


@dataclass(slots=True, eq=False)
class Channel:
    """A handshake between two cells.

    Attributes:
        offered: when each beat is there, at the earliest; later than the move of the one before it.
        moved: when each beat moves.
    """

    offered: list[int] = field(default_factory=list)
    moved: list[int] = field(default_factory=list)


def host(out: Channel, beats: int) -> Process:
    """A sender that always has the next beat; the first moves at 0."""
    out.offered.append(0)
    for beat in range(beats - 1):
        while len(out.moved) <= beat:
            yield
        out.offered.append(out.moved[beat] + 1)


def sink(source: Channel, beats: int) -> Process:
    """A receiver that is always ready."""
    last = -1
    for beat in range(beats):
        while len(source.offered) <= beat:
            yield
        last = max(last + 1, source.offered[beat])
        source.moved.append(last)


def register(source: Channel, out: Channel) -> Process:
    """A beat's register whose ready passes through."""
    beat, last = 0, -1
    while True:
        while len(source.offered) <= beat or len(out.moved) < beat:
            yield
        last = max(last + 1, source.offered[beat], out.moved[beat - 1] if beat else 0)
        source.moved.append(last)
        out.offered.append(last + 1)
        beat += 1


def fifo(source: Channel, out: Channel, depth: int) -> Process:
    """Up to `depth` beats; 0 for any number."""
    beat, last = 0, -1
    while True:
        while len(source.offered) <= beat or (depth and len(out.moved) <= beat - depth):
            yield
        free = out.moved[beat - depth] + 1 if depth and beat >= depth else 0
        last = max(last + 1, source.offered[beat], free)
        source.moved.append(last)
        out.offered.append(last + 1)
        beat += 1


def fork(source: Channel, ways: Sequence[Channel]) -> Process:
    """Every beat to every way; the next is offered when all have it."""
    beat, last = 0, -1
    while True:
        while len(source.offered) <= beat:
            yield
        for way in ways:
            way.offered.append(max(last + 1, source.offered[beat]))
        while any(len(way.moved) <= beat for way in ways):
            yield
        last = max(way.moved[beat] for way in ways)
        source.moved.append(last)
        beat += 1


def join(a: Channel, b: Channel, out: Channel) -> Process:
    """A register that takes a beat of both."""
    beat, last = 0, -1
    while True:
        while len(a.offered) <= beat or len(b.offered) <= beat or len(out.moved) < beat:
            yield
        last = max(last + 1, a.offered[beat], b.offered[beat], out.moved[beat - 1] if beat else 0)
        a.moved.append(last)
        b.moved.append(last)
        out.offered.append(last + 1)
        beat += 1


def select(parts: Sequence[Channel], out: Channel, turns: Sequence[int]) -> Process:
    """A register that takes a beat of the part whose turn it is; the turns repeat."""
    beat, last, taken = 0, -1, [0] * len(parts)
    while True:
        turn = turns[beat % len(turns)]
        part = parts[turn]
        while len(part.offered) <= taken[turn] or len(out.moved) < beat:
            yield
        last = max(last + 1, part.offered[taken[turn]], out.moved[beat - 1] if beat else 0)
        part.moved.append(last)
        out.offered.append(last + 1)
        taken[turn] += 1
        beat += 1


def gather(source: Channel, out: Channel, beats: int) -> Process:
    """One result of `beats` beats; only the last of them waits for room."""
    beat, last, result = 0, -1, 0
    while True:
        ends = (beat + 1) % beats == 0
        while len(source.offered) <= beat or (ends and len(out.moved) < result):
            yield
        last = max(last + 1, source.offered[beat], out.moved[result - 1] if ends and result else 0)
        source.moved.append(last)
        if ends:
            out.offered.append(last + 1)
            result += 1
        beat += 1


class _Pipeline:
    """The stages behind the steps of a matrix product: they stand still together while a result has no room.

    Attributes:
        stalls: the latest periods without a step, [from, to).
        waiting: the last steps of results that are not offered yet.
    """

    def __init__(self, out: Channel) -> None:
        self.out = out
        self.stalls: deque[tuple[int, int]] = deque(maxlen=4)
        self.waiting: deque[int] = deque()

    def after(self, step: int, count: int = 1) -> int:
        """The edge of the `count`-th step after `step`."""
        edge = step + count
        for start, end in self.stalls:
            if start <= edge and end > step + 1:
                edge += end - max(start, step + 1)
        return edge

    def blocked_at(self) -> int:
        """When the first waiting result stops the stages, if it stays."""
        return self.after(self.waiting[0], _DOT_STAGES)

    def settle(self) -> None:
        """Offer the results whose room is known."""
        while self.waiting and len(self.out.moved) >= len(self.out.offered):
            ready, results = self.blocked_at(), len(self.out.offered)
            leaves = max(ready, self.out.moved[results - 1]) if results else ready
            if leaves > ready:
                self.stalls.append((ready, leaves))
            self.waiting.popleft()
            self.out.offered.append(leaves + 1)


def matrix(source: Channel, out: Channel, steps: int, folds: int) -> Process:
    """A dense layer: `steps` beats in, the first of `folds` results from them, the others from the kept beats."""
    pipeline, beat, last = _Pipeline(out), 0, -1
    while True:
        for _ in range(steps):
            while len(source.offered) <= beat:
                pipeline.settle()
                yield
            while True:
                pipeline.settle()
                edge = pipeline.after(max(last, source.offered[beat] - 1))
                if not pipeline.waiting or pipeline.blocked_at() > edge:
                    break
                yield
            source.moved.append(edge)
            last, beat = edge, beat + 1
        pipeline.waiting.append(last)
        for _ in range(folds - 1):
            pipeline.settle()
            while pipeline.waiting:
                yield
                pipeline.settle()
            last = pipeline.after(last, steps)
            pipeline.waiting.append(last)


@dataclass(slots=True, eq=False)
class Ring:
    """What the two sides of a window share: the times of releases and the beats released by then."""

    released: list[tuple[int, int]] = field(default_factory=list)


def window(
    source: Channel, out: Channel, depth: int, reads: Sequence[int], ends: Sequence[tuple[int, int]], beats: int
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
    ring = Ring()
    return _write(source, ring, depth), _read(source, out, ring, reads, dict(ends), beats)


def _write(source: Channel, ring: Ring, depth: int) -> Process:
    beat, last, seen = 0, -1, 0
    while True:
        while len(source.offered) <= beat:
            yield
        free = 0
        if beat >= depth:
            while seen >= len(ring.released) or ring.released[seen][1] <= beat - depth:
                if seen < len(ring.released):
                    seen += 1
                else:
                    yield
            free = ring.released[seen][0] + 1
        last = max(last + 1, source.offered[beat], free)
        source.moved.append(last)
        beat += 1


def _read(source: Channel, out: Channel, ring: Ring, reads: Sequence[int], ends: dict[int, int], beats: int) -> Process:
    image, beat, last = 0, 0, -1
    while True:
        for place, wanted in enumerate(reads, start=1):
            needed = image * beats + wanted
            while len(source.moved) <= needed or len(out.moved) < beat:
                yield
            last = max(last + 1, source.moved[needed] + 1, out.moved[beat - 1] if beat else 0)
            out.offered.append(last + 1)
            beat += 1
            if place in ends:
                ring.released.append((last, image * beats + ends[place]))
        image += 1


def run(processes: Sequence[tuple[Process, Sequence[Channel]]]) -> None:
    """Run until nothing moves any more; a process is woken when a channel of its own has grown."""
    users: dict[int, list[int]] = {}
    for index, (_, channels) in enumerate(processes):
        for channel in channels:
            users.setdefault(id(channel), []).append(index)
    neighbours = [
        sorted({other for channel in channels for other in users[id(channel)]} - {index})
        for index, (_, channels) in enumerate(processes)
    ]
    logs = [[log for channel in channels for log in (channel.offered, channel.moved)] for _, channels in processes]
    todo, queued = deque(range(len(processes))), [True] * len(processes)
    while todo:
        index = todo.popleft()
        queued[index] = False
        before = sum(map(len, logs[index]))
        next(processes[index][0], None)
        if sum(map(len, logs[index])) == before:
            continue
        for other in neighbours[index]:
            if not queued[other]:
                queued[other] = True
                todo.append(other)
