"""The rungs, six and hls4ml: each runs one form of the same design and is compared code by code with the arbiter."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import FlowError, SimulationError
from flow.ir import Graph, trace
from flow.simulation import csim, hls4ml, netlist, onnxruntime, rtl
from flow.simulation.compare import Comparison, compare

__all__ = ["FOLDERS", "RUNGS", "Context", "Ladder", "RungResult", "climb"]

Codes = NDArray[np.int64]

NETLIST_VECTORS = 16

# Which exported folder a rung runs; the two first rungs run no export.
FOLDERS = {"onnxruntime": "onnx", "csim": "hls", "rtl": "rtl", "netlist": "rtl", "hls4ml": "hls4ml"}


@dataclass(frozen=True, slots=True)
class Context:
    """What the rungs run on.

    Attributes:
        graph: the design.
        codes: int64[N, *shape] input codes.
        folder: holds `onnx/`, `hls/`, `rtl/`, `hls4ml/` as exported.
        model: the trained model, for the rung `torch`.
        stored: the design as read back from disk, for the rung `interpreter`; the design itself where None.
    """

    graph: Graph
    codes: Codes
    folder: Path
    model: Any = None
    stored: Graph | None = None


@dataclass(frozen=True, slots=True)
class RungResult:
    """The outcome of one rung; `skipped` says why it could not run, and counts as not passed."""

    name: str
    tool: str
    vectors: int
    comparison: Comparison
    nodes: int
    seconds: float
    skipped: str | None = None

    @property
    def passed(self) -> bool:
        """Whether the rung ran, compared something, and found no difference."""
        return self.skipped is None and self.comparison.values > 0 and self.comparison.mismatches == 0

    def to_json(self) -> dict[str, Any]:
        """The entry of `simulate.json`."""
        first = self.comparison.first
        entry = {
            "name": self.name,
            "tool": self.tool,
            "vectors": self.vectors,
            "nodes": self.nodes,
            "values": self.comparison.values,
            "operators": dict(self.comparison.operators),
            "mismatches": self.comparison.mismatches,
            "first_mismatch": None if first is None else first.to_json(),
            "seconds": round(self.seconds, 2),
        }
        return entry if self.skipped is None else {**entry, "skipped": self.skipped}


@dataclass(frozen=True, slots=True)
class Ladder:
    """All rungs that were asked for."""

    design: str
    rungs: tuple[RungResult, ...]

    @property
    def passed(self) -> bool:
        """Whether every rung passed, and there was one."""
        return bool(self.rungs) and all(rung.passed for rung in self.rungs)

    def to_json(self) -> dict[str, Any]:
        """`simulate.json` as the contract has it."""
        vectors = max((rung.vectors for rung in self.rungs), default=0)
        return {"design": self.design, "vectors": vectors, "rungs": [rung.to_json() for rung in self.rungs]}

    def __str__(self) -> str:
        lines = []
        for rung in self.rungs:
            said = rung.skipped or str(rung.comparison.first or "equal")
            lines.append(f"{rung.name:12} {rung.vectors:6} vectors {rung.comparison.mismatches:6} mismatches  {said}")
        return "\n".join(lines)


def _torch(context: Context) -> dict[str, Codes]:
    if context.model is None:
        raise SimulationError("Rung 'torch' needs the trained model; pass model=, or leave the rung out.")
    from flow.lowering import simulate_torch

    return simulate_torch(context.graph, context.model, context.codes)


def _interpreter(context: Context) -> dict[str, Codes]:
    return trace(context.stored or context.graph, context.codes)


def _netlist(context: Context) -> dict[str, Codes]:
    return netlist.simulate_netlist(context.graph, context.folder / "rtl", context.codes[:NETLIST_VECTORS])


@dataclass(frozen=True, slots=True)
class Rung:
    """How a rung runs and which tool does it."""

    run: Callable[[Context], dict[str, Codes]]
    tool: Callable[[], str]


RUNGS: dict[str, Rung] = {
    "torch": Rung(_torch, lambda: f"torch {version('torch')}"),
    "interpreter": Rung(_interpreter, lambda: f"flow {version('qfx-flow')}"),
    "onnxruntime": Rung(
        lambda c: onnxruntime.simulate_onnxruntime(c.graph, c.folder / "onnx", c.codes), onnxruntime.tool
    ),
    "csim": Rung(lambda c: csim.simulate_csim(c.graph, c.folder / "hls", c.codes), csim.tool),
    "rtl": Rung(lambda c: rtl.simulate_rtl(c.graph, c.folder / "rtl", c.codes), rtl.tool),
    "netlist": Rung(_netlist, netlist.tool),
    "hls4ml": Rung(lambda c: hls4ml.simulate_hls4ml(c.graph, c.folder / "hls4ml", c.codes), hls4ml.tool),
}


def _climb_one(name: str, context: Context, expected: Mapping[str, Codes]) -> RungResult:
    rung, start = RUNGS[name], time.perf_counter()
    try:
        shown = rung.run(context)
        comparison = compare(context.graph, expected, shown)
    except FlowError as error:
        return RungResult(name, "", 0, Comparison(0, 0, None), 0, time.perf_counter() - start, skipped=str(error))
    vectors = len(next(iter(shown.values())))
    return RungResult(name, rung.tool(), vectors, comparison, len(shown), time.perf_counter() - start)


def climb(context: Context, rungs: Sequence[str]) -> Iterator[RungResult]:
    """Run the rungs in order; each result is yielded as soon as it is there.

    Raises:
        SimulationError: a rung that does not exist, or no input vectors.
    """
    unknown = [name for name in rungs if name not in RUNGS]
    if unknown:
        raise SimulationError(f"There is no rung {unknown[0]!r}; the rungs are {', '.join(RUNGS)}.")
    if not len(context.codes):
        raise SimulationError(f"Simulating {context.graph.name!r} needs at least one input vector, but got none.")
    expected = trace(context.graph, context.codes)
    for name in rungs:
        yield _climb_one(name, context, expected)
