"""How deep the FIFOs between layers must be: the layers run beat by beat until none is stuck.

A layer reads and writes in a fixed order, so the layers are a Kahn network: whether bounded FIFOs let it finish does
not depend on who runs first. Every sample leaves the FIFOs empty, so one sample decides for all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from flow.errors import ExportError

__all__ = ["LEAST", "Process", "fifo_depths"]

LEAST = 2


@dataclass(frozen=True, slots=True)
class Process:
    """A layer as the FIFOs see it.

    Attributes:
        name: for messages.
        reads: the FIFO of every operand.
        writes: the FIFO of every result.
        schedule: for every beat in order, `i` to read operand i, `-1 - i` to write result i.
    """

    name: str
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    schedule: Iterable[int]

    def moves(self) -> Iterator[int]:
        """The FIFO of every beat: `c` for a beat read from it, `~c` for one written to it."""
        reads, writes = self.reads, [~channel for channel in self.writes]
        return (reads[step] if step >= 0 else writes[-1 - step] for step in self.schedule)


class _Run:
    """A run with FIFOs that grow by one where only that lets it go on."""

    def __init__(self, processes: Sequence[Process], channels: int) -> None:
        self.depths, self.held = [LEAST] * channels, [0] * channels
        self._names = [process.name for process in processes]
        self._moves = [process.moves() for process in processes]
        self._next: list[int | None] = [next(moves, None) for moves in self._moves]
        self._reader, self._writer = [-1] * channels, [-1] * channels
        for number, process in enumerate(processes):
            for channel in process.reads:
                self._reader[channel] = number
            for channel in process.writes:
                self._writer[channel] = number

    def _go(self, number: int) -> set[int]:
        """Run one process until it waits; returns those that its beats may have freed."""
        freed: set[int] = set()
        step = self._next[number]
        while step is not None:
            if step >= 0:
                if not self.held[step]:
                    break
                self.held[step] -= 1
                freed.add(self._writer[step])
            else:
                if self.held[~step] >= self.depths[~step]:
                    break
                self.held[~step] += 1
                freed.add(self._reader[~step])
            step = next(self._moves[number], None)
        self._next[number] = step
        return freed

    def _stuck(self) -> list[int]:
        """The steps that wait for each other in a circle."""
        number = next(i for i, step in enumerate(self._next) if step is not None)
        seen: dict[int, int] = {}
        path: list[int] = []
        while number not in seen:
            step = self._next[number]
            if step is None:
                raise ExportError(f"Layer {self._names[number]!r} ends before its neighbours; report this as a bug.")
            seen[number] = len(path)
            path.append(step)
            number = self._writer[step] if step >= 0 else self._reader[~step]
        return path[seen[number] :]

    def finish(self) -> list[int]:
        """The depths with which all processes come to their end."""
        ready = set(range(len(self._next)))
        while True:
            while ready:
                ready |= self._go(ready.pop())
            if all(step is None for step in self._next):
                return self.depths
            channel = min((~step for step in self._stuck() if step < 0), key=lambda full: self.depths[full])
            self.depths[channel] += 1
            ready = {self._writer[channel]}


def fifo_depths(processes: Sequence[Process], channels: int) -> list[int]:
    """The depth of every FIFO with which no sample can deadlock; at least `LEAST`.

    Args:
        processes: each FIFO is read by one and written by one of them; together they have no circle.
        channels: how many FIFOs.
    """
    return _Run(processes, channels).finish()
