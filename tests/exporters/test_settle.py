"""The equations of a matrix product, against a clock that counts its registers edge by edge."""

from itertools import chain

import numpy as np
import pytest

from flow.exporters.verilog.matrix_process import matrix
from flow.exporters.verilog.processes import Channel, Process, paced
from flow.exporters.verilog.settle import run


def clocked(steps: int, folds: int, offered: list[int], taken: list[int]) -> tuple[list[int], list[int]]:
    """When every operand moves and every result leaves.

    Args:
        steps: of a result.
        folds: results of `steps` operands.
        offered: when every operand is there.
        taken: when the receiver has room for every result, at the earliest.
    """
    kept = [-1] * ((folds - 1) * steps)
    todo = list(chain.from_iterable([*offered[i : i + steps], *kept] for i in range(0, len(offered), steps)))
    moved, left, step, edge = [], [], 0, 0
    first, second = None, None  # whether the step in a stage ends a result, if there is one
    result = False  # whether one waits
    kept_from = [i % (steps * folds) >= steps for i in range(len(todo))]
    while len(left) < len(taken):
        if result and edge >= taken[len(left)]:
            left.append(edge)
            result = False
        waits = bool(second and result)
        if not waits:
            result, second = result or bool(second), first
        if not waits or first is None:
            makes = step < len(todo) and todo[step] <= edge
            if makes and not kept_from[step]:
                moved.append(edge)
            step += makes
            first = step % steps == 0 if makes else None
        edge += 1
    return moved, left


@pytest.mark.parametrize("seed", range(80))
def test_a_matrix_product_that_waits_on_either_side(seed):
    rng = np.random.default_rng(seed)
    steps, folds, vectors = (int(n) for n in rng.integers((1, 1, 2), (5, 4, 12)))
    beats, results = steps * vectors, folds * vectors
    offered = np.cumsum(rng.choice([1, 1, 1, 2, 9], beats))
    room = np.cumsum(rng.choice([1, 2, steps, 12], results)) + int(rng.integers(0, 30))
    source, out = Channel(beats), Channel(results)
    sender = Process(lambda: source.offer(offered), (source,), int(offered[-1]))
    receiver = Process(lambda: out.move(paced(np.maximum(out.offered, room))), (out,), int(room[-1]))
    assert run([sender, matrix(source, out, steps, folds), receiver])
    moved, left = clocked(steps, folds, offered.tolist(), room.tolist())
    assert (source.moved.tolist(), out.moved.tolist()) == (moved, left)
    assert len(moved) == beats
