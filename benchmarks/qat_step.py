"""One training step beside float torch and the peers, and what a cast of many values costs beside a multiplication."""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from common import Row, arguments, publish

from flow.errors import FlowError
from flow.tools import run
from flow.training import Quantizer, Word
from flow.training.minifloats import MinifloatQuantizer
from flow.training.words import parse_word

HERE = Path(__file__).parent
PEERS = HERE.parent / ".venv-peers" / "bin" / "python"  # made by `make peers`
SCRIPTS = {"Brevitas": "brevitas_step", "PQuantML": "pquant_step", "HGQ2": "hgq_step"}
FLOW = "flow, s8 by tensor"
BATCHES = {"mlp": 1024, "resnet": 32}

Times = dict[str, dict[str, list[float]]]  # who -> wall and cpu -> seconds of each step


def measured(python: Path, script: str, case: str, batch: int, steps: int, threads: int) -> Times:
    """One run of a script in a process of its own; it says itself what failed."""
    argv = [python, HERE / "peers" / f"{script}.py", case, str(batch), str(steps), str(threads)]
    found: Times = json.loads(run(argv, timeout=600).splitlines()[-1])
    return found


def collected(
    case: str, batch: int, steps: int, threads: int, rounds: int, peers: bool
) -> tuple[Times, dict[str, str]]:
    """All scripts in turn, several rounds, and why who is missing."""
    times: Times = {}
    missing: dict[str, str] = {} if peers and PEERS.exists() else dict.fromkeys(SCRIPTS, "missing, run make peers")
    scripts = {"flow": "flow_step", **{who: name for who, name in SCRIPTS.items() if who not in missing}}
    for _ in range(rounds):
        for who, script in scripts.items():
            try:
                found = measured(Path(sys.executable) if who == "flow" else PEERS, script, case, batch, steps, threads)
            except FlowError as error:
                missing[who] = str(error).splitlines()[-1]
                continue
            for kind, result in found.items():
                if "error" in result:
                    missing[kind] = str(result["error"])
                    continue
                held = times.setdefault(kind, {"wall": [], "cpu": []})
                for clock in held:
                    held[clock] += result[clock]
    return times, missing


def step_rows(case: str, times: Times, missing: dict[str, str]) -> list[Row]:
    rows = []
    for clock in ("wall", "cpu"):
        medians = {who: 1e3 * statistics.median(held[clock]) for who, held in times.items()}
        for who, value in medians.items():
            rows.append(Row(f"{case}, {clock}", who, value, "ms", value / medians[FLOW]))
            rows.append(Row(f"{case}, {clock}", who, value / medians["float"], "x float"))
    return rows + [Row(case, f"{who}: {why}", float("nan"), "missing") for who, why in missing.items()]


def fastest(work: Callable[[], object], rounds: int) -> float:
    """Milliseconds of the fastest of so many calls."""
    work()
    found = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return 1e3 * min(found)


def element_rows(count: int, threads: int, rounds: int) -> list[Row]:
    """Casts of `count` values each way beside one multiplication, which also allocates its result, and one in place."""
    torch.set_num_threads(threads)
    x, upstream, out = torch.randn(count), torch.randn(count), torch.empty(count)
    x.requires_grad_()
    plain = x.detach()
    found = {
        "torch.mul": fastest(lambda: torch.mul(plain, 2.5), rounds),
        "torch.mul, out=": fastest(lambda: torch.mul(plain, 2.5, out=out), rounds),
    }
    for name, made in (("s8", Quantizer(Word(8, signed=True))), ("e4m3", MinifloatQuantizer(parse_word("e4m3")))):
        made.frac.data.add_(4 if name == "s8" else 0)
        y = made(x)
        with torch.no_grad():
            found[f"flow {name}, forward"] = fastest(lambda made=made: made(plain), rounds)
        points = [x, made.frac]
        found[f"flow {name}, backward"] = fastest(
            lambda y=y, points=points: torch.autograd.grad(y, points, upstream, retain_graph=True), rounds
        )
    case, base = f"{count} values, {threads} threads", found["torch.mul"]
    rows = [Row(case, who, value, "ms", value / found["flow s8, forward"]) for who, value in found.items()]
    return rows + [Row(case, who, value / base, "x torch.mul") for who, value in found.items()]


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--cases", nargs="*", default=list(BATCHES), choices=list(BATCHES))
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, help="instead of each case's own")
    parser.add_argument("--elements", type=int, default=0, help="measure casts of so many values too")
    parser.add_argument("--no-peers", action="store_true")
    given = parser.parse_args()
    rows = []
    for threads in given.threads:
        if given.elements:
            rows += element_rows(given.elements, threads, 3 * given.rounds)
        for case in given.cases:
            batch = given.batch or BATCHES[case]
            held = collected(case, batch, given.steps, threads, given.rounds, not given.no_peers)
            rows += step_rows(f"{case}, batch {batch}, {threads} threads", *held)
    publish("One training step: forward, backward, Adam", rows, ["torch", "numpy", "qfx-flow"], given.json)


if __name__ == "__main__":
    main()
