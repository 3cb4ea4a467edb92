"""When the beats of a matrix product move: a pipeline that stands still as a whole while a result has no room."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flow.exporters.verilog.processes import Channel, Process, Times, paced

__all__ = ["matrix"]

# Registers between the step that completes a neuron fold and its beat: operands, dot product, result.
_DOT_STAGES = 2

Early = NDArray[np.bool_]


def matrix(source: Channel, out: Channel, steps: int, folds: int, *, counts_idle: bool = True) -> Process:
    """A dense layer: `steps` beats in, the first of `folds` results from them, the others from the kept beats.

    Args:
        source: `steps` beats a vector.
        out: `folds` beats a vector.
        steps: of a result.
        folds: results of a vector.
        counts_idle: whether the operand register takes a beat while a result waits for room, which it does only if
            there was one in the cycle before.
    """
    spread = np.arange(steps, dtype=np.int64) - (steps - 1)
    early = _Early.guess(np.full(len(out.moved) - 1, counts_idle), steps)
    # Kept beats wait for nothing: as if they had always been there.
    first = np.full(len(out.moved), -1, dtype=np.int64)
    ready, seen = first.copy(), source.moved  # whatever has not been offered
    between = slice(folds - 1, -1, folds)  # the results before those of the next vector

    def settle() -> None:
        nonlocal early, seen
        offered = source.offered.reshape(-1, steps)
        if seen is not source.offered:
            seen = source.offered
            first[::folds], ready[::folds] = offered[:, 0], np.maximum.reduce(offered - spread, axis=1)
        if counts_idle:
            last, behind, early = _last_steps(steps, first, ready, out.moved, early)
            leaves = _leaves(last, out.moved)
            begins = np.where(early.which[between.start :: folds], behind[between.start :: folds], leaves[between])
        else:
            leaves = _leaves(_last_if(steps, ready, out.moved, early), out.moved)
            begins = leaves[between]
        out.offer(leaves + 1)
        source.move(_taken(offered, begins, leaves[between]))

    return Process(settle, (source, out), steps * len(out.moved))


@dataclass(frozen=True, slots=True)
class _Early:
    """Which results, all but the first, begin while the one before them waits for room.

    Attributes:
        which: bool, by result.
        passed: steps that lie between the first result and each, one of which every late result waits.
    """

    which: Early
    passed: Times

    @classmethod
    def guess(cls, which: Early, steps: int) -> _Early:
        """With what follows from it."""
        passed = np.zeros(len(which) + 1, dtype=np.int64)
        np.cumsum(steps + 1 - which, out=passed[1:])
        return cls(which, passed)


def _leaves(last: Times, moved: Times) -> Times:
    """When every result enters the output register, which the one before it has left."""
    leaves = last + _DOT_STAGES
    np.maximum(leaves[1:], moved[:-1], out=leaves[1:])
    return leaves


def _last_steps(steps: int, first: Times, ready: Times, moved: Times, early: _Early) -> tuple[Times, Times, _Early]:
    """When the last step of every result is, the first possible one behind it, and whether the next result begins so.

    While a result waits for room, the pipeline makes no step but those that the registers before it have room for.
    Which results do begin so early is guessed and told from what follows, until both agree.

    Args:
        steps: of a result.
        first: when the first operand of every result is there.
        ready: when the last step of every result could be if only its operands mattered.
        moved: when every result moves.
        early: a guess, of all results but the first.
    """
    while True:
        last = _last_if(steps, ready, moved, early)
        behind = _behind(steps, last, moved)
        found = first[1:] <= behind
        if found.tobytes() == early.which.tobytes():
            return last, behind, early
        early = _Early.guess(found, steps)


def _behind(steps: int, last: Times, moved: Times) -> Times:
    """The first step that the pipeline could make behind the last one of every result but the final one."""
    behind = last[:-1] + 1
    if steps == 1:  # the result before may still be waiting
        np.maximum(behind[1:], _leaves(last, moved)[:-2], out=behind[1:])
    return behind


def _last_if(steps: int, ready: Times, moved: Times, early: _Early) -> Times:
    """The last steps if `early` is right."""
    room = np.zeros(len(moved) + 1, dtype=np.int64)
    room[2:] = moved[:-1]
    # When the pipeline goes on, at the latest; a single step that is early needs room for the result before last.
    before, free = room[:-2], room[1:-1]
    resumed = np.where(early.which, before, free) if steps == 1 else free + (steps - 1) - early.which
    floor = ready - early.passed
    np.maximum(floor[1:], resumed - early.passed[1:], out=floor[1:])
    times: Times = np.maximum.accumulate(floor)
    times += early.passed
    return times


def _taken(offered: Times, begins: Times, leaves: Times) -> Times:
    """When the operands of all vectors move.

    Args:
        offered: int64[vectors, steps].
        begins: when the pipeline takes the first operand of every vector but the first, at the earliest.
        leaves: when it takes all others, at the earliest.
    """
    floor = offered.copy()
    np.maximum(floor[1:, 0], begins, out=floor[1:, 0])
    np.maximum(floor[1:, 1:2], leaves[:, None], out=floor[1:, 1:2])
    return paced(floor.reshape(-1))
