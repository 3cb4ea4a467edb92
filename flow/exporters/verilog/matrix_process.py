"""When the beats of a matrix product move: two stages in front of an output register, each of which may hold a step."""

from __future__ import annotations

import numpy as np

from flow.exporters.verilog.processes import Channel, Process, Times, paced

__all__ = ["matrix"]

# Registers between the step that completes a neuron fold and its beat: operands, dot product, result.
_DOT_STAGES = 2


def matrix(source: Channel, out: Channel, steps: int, folds: int) -> Process:
    """A dense layer: `steps` beats in, the first of `folds` results from them, the others from the kept beats.

    Args:
        source: `steps` beats a vector.
        out: `folds` beats a vector.
        steps: of a result.
        folds: results of a vector.
    """
    spread, results = np.arange(steps, dtype=np.int64) - (steps - 1), len(out.moved)
    pace = np.arange(results, dtype=np.int64) * steps
    # A result that waits for room lets one step into the stage behind its own, and holds up the next.
    lag, behind = (_DOT_STAGES, steps - _DOT_STAGES) if steps > 1 else (_DOT_STAGES + 1, 0)

    between = slice(folds - 1, -1, folds)  # the last results of all vectors but the final one

    def settle() -> None:
        offered = source.offered.reshape(-1, steps)
        floor = np.zeros(results, dtype=np.int64)
        np.maximum.reduce(offered - spread, axis=1, out=floor[::folds])
        np.maximum(floor[lag:], out.moved[: max(results - lag, 0)] + behind, out=floor[lag:])
        floor -= pace
        last = np.maximum.accumulate(floor)
        last += pace
        leaves = last + _DOT_STAGES
        np.maximum(leaves[1:], out.moved[:-1], out=leaves[1:])
        out.offer(leaves + 1)
        source.move(last[::folds] if steps == 1 else _taken(offered, last[between], leaves[between]))

    return Process(settle, (source, out), steps * results)


def _taken(offered: Times, last: Times, leaves: Times) -> Times:
    """When the operands of all vectors move, of two steps or more.

    Args:
        offered: int64[vectors, steps].
        last: when the last step of all vectors is, but of the final one.
        leaves: when their last result leaves the stages.
    """
    floor = offered.copy()
    np.maximum(floor[1:, 0], last + 1, out=floor[1:, 0])
    np.maximum(floor[1:, 1], leaves, out=floor[1:, 1])
    return paced(floor.reshape(-1))
