"""When the beats of a matrix product move: a pipeline that stands still as a whole while a result has no room."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from flow.exporters.verilog.processes import Channel, Process, Times, paced

__all__ = ["matrix"]

# Registers between the step that completes a neuron fold and its beat: operands, dot product, result.
_DOT_STAGES = 2

Early = NDArray[np.bool_]


def matrix(source: Channel, out: Channel, steps: int, folds: int) -> Process:
    """A dense layer: `steps` beats in, the first of `folds` results from them, the others from the kept beats."""
    spread = np.arange(steps, dtype=np.int64)
    early: Early = np.ones(len(out.moved) - 1, dtype=np.bool_)

    def settle() -> None:
        nonlocal early
        offered = source.offered.reshape(-1, steps)
        # Kept beats wait for nothing: as if they had always been there.
        first = np.full((len(offered), folds), -1, dtype=np.int64)
        ready = first.copy()
        first[:, 0], ready[:, 0] = offered[:, 0], (offered - spread).max(axis=1) + steps - 1
        last, behind, early = _last_steps(steps, first.reshape(-1), ready.reshape(-1), out.moved, early)
        leaves = _leaves(last, out.moved)
        out.offer(leaves + 1)
        between = slice(folds - 1, -1, folds)  # the results before those of the next vector
        source.move(_taken(offered, np.where(early, behind, leaves[:-1])[between.start :: folds], leaves[between]))

    return Process(settle, (source, out), steps * len(out.moved))


def _leaves(last: Times, moved: Times) -> Times:
    """When every result enters the output register, which the one before it has left."""
    leaves = last + _DOT_STAGES
    np.maximum(leaves[1:], moved[:-1], out=leaves[1:])
    return leaves


def _last_steps(steps: int, first: Times, ready: Times, moved: Times, early: Early) -> tuple[Times, Times, Early]:
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
        if np.array_equal(found, early):
            return last, behind, early
        early = found


def _behind(steps: int, last: Times, moved: Times) -> Times:
    """The first step that the pipeline could make behind the last one of every result but the final one."""
    behind = last[:-1] + 1
    if steps == 1:  # the result before may still be waiting
        np.maximum(behind[1:], _leaves(last, moved)[:-2], out=behind[1:])
    return behind


def _last_if(steps: int, ready: Times, moved: Times, early: Early) -> Times:
    """The last steps if `early` is right."""
    room = np.concatenate((np.zeros(2, dtype=np.int64), moved))
    # When the pipeline goes on, at the latest; a single step that is early needs room for the result before last.
    before, free = room[: len(early)], room[1 : len(early) + 1]
    resumed = np.where(early, before, free) if steps == 1 else free + steps - 1 - early
    floor = np.concatenate((ready[:1], np.maximum(ready[1:], resumed)))
    passed = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(steps + 1 - early)))
    return np.maximum.accumulate(floor - passed) + passed


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
