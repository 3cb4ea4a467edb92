"""Samples a second of `flow.interpret`, hls4ml's `predict()` and the C++ interpreters of da4ml and alkaid, one thread.

All compute the same integers: every output of every party is compared, code for code, and who differs gets no figure.
Besides the wall clock there is the processor's time, which others on the same machine disturb less.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np
from common import Row, arguments, publish
from emulated import CONVOLUTIONS, MLPS

from flow.errors import DataError, FlowError
from flow.exporters.hls4ml import export_hls4ml
from flow.exporters.writer import write_file, write_tree
from flow.formats import FixedPoint
from flow.ir import Dense, Graph, Relu, Requantize, dump, interpret
from flow.tools import run

HERE = Path(__file__).parent
PEERS = HERE.parent / ".venv-peers" / "bin" / "python"  # made by `make peers`
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
# Who runs what, with which Python: hls4ml is one of flow's own dependencies, the others are peers.
SCRIPTS: dict[str, tuple[Path, list[str]]] = {
    "flow": (Path(sys.executable), ["flow_emulation.py"]),
    "hls4ml": (Path(sys.executable), ["hls4ml_emulation.py"]),
    "da4ml": (PEERS, ["adder_emulation.py", "da4ml"]),
    "alkaid": (PEERS, ["adder_emulation.py", "alkaid"]),
}
TIMEOUT = 1800.0

Times = dict[str, list[float]]  # wall and cpu -> seconds of each call


def kif(form: FixedPoint) -> dict[str, int]:
    """A format as the peers have it: a sign, the integer bits without it, the fractional bits."""
    return {"k": int(form.signed), "i": form.width - form.frac - form.signed, "f": form.frac}


def layers(graph: Graph) -> list[dict[str, object]]:
    """Each linear layer's activation, as `peers/adder_emulation.py` reads it."""
    found: list[dict[str, object]] = []
    for node in graph:
        if isinstance(node, Dense):
            found.append({})
        elif isinstance(node, Relu):
            found[-1]["relu"] = True
        elif isinstance(node, Requantize):
            modes = {"overflow_mode": node.overflow.value, "round_mode": node.rounding.value}
            found[-1]["cast"] = {**kif(node.format), **modes}
    return found


def constants(graph: Graph) -> dict[str, np.ndarray]:
    """Real weights and biases by layer."""
    dense = [node for node in graph if isinstance(node, Dense)]
    named = {f"{key}{place}": getattr(node, field) for place, node in enumerate(dense)
             for key, field in (("w", "weight"), ("b", "bias"))}  # fmt: skip
    return {name: np.ldexp(tensor.codes.astype(float), -tensor.format.frac) for name, tensor in named.items()}


def prepare(folder: Path, graph: Graph, codes: np.ndarray, peers: bool) -> None:
    """Write what the scripts read: the design, the inputs as codes and as real values, and the peers' forms."""
    write_tree(folder, dump(graph))
    np.save(folder / "codes.npy", codes)
    np.save(folder / "values.npy", np.ldexp(codes.astype(np.float64), -graph.input.format.frac))
    if peers:
        write_tree(folder / "hls4ml", export_hls4ml(graph))
        (folder / "hls4ml" / "build_lib.sh").chmod(0o755)
        np.savez(folder / "mlp.npz", **constants(graph))
        write_file(folder / "mlp.json", json.dumps({"input": kif(graph.input.format), "layers": layers(graph)}))


def seconds(who: str, folder: Path) -> Times:
    """One run of a script in a process of its own, wall and cpu; its outputs lie in the folder."""
    python, argv = SCRIPTS[who]
    command = [python, HERE / "peers" / argv[0], *argv[1:], folder]
    printed = run(command, env={**os.environ, **ONE_THREAD}, timeout=TIMEOUT)
    found: Times = json.loads(printed.splitlines()[-1])
    return found


def check(who: str, folder: Path, graph: Graph, expected: np.ndarray) -> None:
    """Every output is the interpreter's code.

    Raises:
        DataError: some are not.
    """
    step = float(graph.values[graph.outputs[0]].format.step)
    found = np.load(folder / f"{who}.npy") / step
    if found.shape != expected.shape:
        raise DataError(f"{who} must give outputs of shape {expected.shape} for {graph.name!r}, not {found.shape}.")
    wrong = int((found != expected).sum())
    if wrong:
        raise DataError(f"{who} differs from the interpreter in {wrong} of {expected.size} outputs of {graph.name!r}.")


def measured(
    folder: Path, graph: Graph, expected: np.ndarray, rounds: int, whom: list[str]
) -> tuple[dict[str, Times], dict[str, str]]:
    """All parties in turn, several rounds, and why who is missing; the first turn also compiles and is not counted."""
    times: dict[str, Times] = {who: {"wall": [], "cpu": []} for who in whom}
    missing: dict[str, str] = {}
    for turn in range(rounds + 1):
        for who in [one for one in whom if one not in missing]:
            try:
                found = seconds(who, folder)
                check(who, folder, graph, expected)
            except FlowError as error:
                missing[who] = str(error).splitlines()[-1]
                del times[who]
                continue
            for clock in found if turn else ():
                times[who][clock] += found[clock]
    return times, missing


def case_rows(case: str, graph: Graph, samples: int, rounds: int, whom: list[str]) -> list[Row]:
    """One net: inputs drawn, every party measured, speeds as medians."""
    form = graph.input.format
    codes = np.random.default_rng(0).integers(form.low, form.high, (samples, *graph.input.shape), endpoint=True)
    expected = interpret(graph, codes)[0].reshape(samples, -1)
    with tempfile.TemporaryDirectory(prefix="flow-") as name:
        prepare(Path(name), graph, codes, whom != ["flow"])
        times, missing = measured(Path(name), graph, expected, rounds, whom)
    print(f"{case}: {samples} samples, {expected.size} outputs of {', '.join(times)} are the interpreter's")
    rows = []
    for clock in ("wall", "cpu"):
        speeds = {who: samples / statistics.median(held[clock]) / 1e3 for who, held in times.items()}
        for who, speed in speeds.items():
            rows.append(Row(f"{case}, {clock}", who, speed, "thousand samples/s", speed / speeds["flow"]))
    return rows + missing_rows(case, missing)


def missing_rows(case: str, missing: dict[str, str]) -> list[Row]:
    return [Row(case, f"{who}: {why}", float("nan"), "missing") for who, why in missing.items()]


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--samples", type=int, default=20_000, help="of the MLPs")
    parser.add_argument("--images", type=int, default=2_000, help="of the nets with convolutions")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cases", nargs="*", default=[*MLPS, *CONVOLUTIONS], choices=[*MLPS, *CONVOLUTIONS])
    parser.add_argument("--no-peers", action="store_true")
    given = parser.parse_args()
    away = [who for who in SCRIPTS if who != "flow" and (given.no_peers or not SCRIPTS[who][0].exists())]
    rows = []
    for case in given.cases:
        if case in MLPS:
            whom = [who for who in SCRIPTS if who not in away]
            rows += case_rows(case, MLPS[case](), given.samples, given.rounds, whom)
            rows += missing_rows(case, dict.fromkeys(away, "missing, run make peers"))
        else:
            rows += case_rows(case, CONVOLUTIONS[case](), given.images, given.rounds, ["flow"])
    publish("Emulation, one thread", rows, ["numpy", "qfx-flow", "hls4ml"], given.json)


if __name__ == "__main__":
    main()
