"""Milliseconds that an estimate of a whole design takes, the graph in memory and the modules imported."""

from __future__ import annotations

import statistics
import time

from common import Row, arguments, publish

import flow
from flow import estimation
from flow.datasets import load
from flow.ir import Graph
from flow.training import NETS

BOARDS = ("ultra96_v2", "pynq_z2")
CASES = ("digits_mlp", "digits_resnet", "digits_mobilenet")
ROUNDS = 20


def design(name: str) -> Graph:
    """An untrained net, calibrated on digits."""
    example = load("digits").train_x[:64]
    return flow.lower(flow.quantize(NETS[name](), example, weights="s6", activations="u6"), example)


def milliseconds(graph: Graph, board: str) -> tuple[float, float]:
    """CPU time of the first estimate, and the median of those that follow."""
    used = []
    for _ in range(1 + ROUNDS):
        start = time.process_time()
        estimation.estimate(graph, estimation.load_board(board))
        used.append(1000 * (time.process_time() - start))
    return used[0], statistics.median(used[1:])


def main() -> None:
    given = arguments(__doc__ or "").parse_args()
    rows = []
    for name, graph in {name: design(name) for name in CASES}.items():
        for board in BOARDS:
            for which, value in zip(("first", "next"), milliseconds(graph, board), strict=True):
                rows.append(Row(f"{name}, {board}, {which}", "flow", value, "ms"))
    publish("An estimate of a whole design, CPU time", rows, ("qfx-flow", "numpy"), given.json)


if __name__ == "__main__":
    main()
