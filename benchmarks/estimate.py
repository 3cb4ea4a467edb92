"""Milliseconds that an estimate of a whole design takes, the graph in memory and the coefficients read."""

from __future__ import annotations

import statistics
import time

from common import Row, arguments, publish

import flow
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


def milliseconds(graph: Graph, board: str) -> float:
    """Median CPU time of an estimate."""
    flow.estimate(graph, board=board)
    used = []
    for _ in range(ROUNDS):
        start = time.process_time()
        flow.estimate(graph, board=board)
        used.append(1000 * (time.process_time() - start))
    return statistics.median(used)


def main() -> None:
    given = arguments(__doc__ or "").parse_args()
    graphs = {name: design(name) for name in CASES}
    rows = [
        Row(f"{name}, {board}", "flow", milliseconds(graph, board), "ms")
        for name, graph in graphs.items()
        for board in BOARDS
    ]
    publish("An estimate of a whole design, CPU time", rows, ("qfx-flow", "numpy"), given.json)


if __name__ == "__main__":
    main()
