"""Whole designs that no fit has seen: 60 random ones of both architectures, MLPs and convolutions, against synthesis.

`python -m tests.estimation.held_out [COUNT]` measures what `held_out.json` lacks of the first COUNT designs, stores
each when it is done, and prints the errors. Code and numbers that draw these designs are not those of calibration.
"""

import itertools
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from flow.estimation import estimate, load_board
from flow.exporters.verilog import METADATA, export_architecture
from flow.exporters.writer import write_file
from flow.formats import FixedPoint, Overflow, Rounding
from flow.ir import (
    Add,
    ArgMax,
    AvgPool2d,
    Conv2d,
    Dense,
    Flatten,
    Graph,
    Input,
    MaxPool2d,
    Node,
    Relu,
    Requantize,
    ScaleShift,
    Tensor,
)
from flow.ir.interpret import interpret
from flow.synthesis import recipe, synthesise, tool
from tests.graphs import random_codes

TABLE = Path(__file__).parent / "held_out.json"
COUNT = 60
SEED = 314159  # chosen before any of these designs was drawn
SMALLEST = 50
BOARDS = ("pynq_z2", "ultra96_v2")
RESOURCES = ("lut", "ff", "dsp", "bram")
KINDS = ("stream mlp", "spatial mlp", "stream conv", "spatial conv")


def _tensor(rng: np.random.Generator, shape: tuple[int, ...], width: int, zeros: float = 0.0) -> Tensor:
    form = FixedPoint(width, width - 1, True)
    codes = rng.integers(form.low, form.high, shape, endpoint=True)
    return Tensor(np.where(rng.random(shape) < zeros, 0, codes), form)


def _cast(rng: np.random.Generator, name: str, source: str) -> Requantize:
    width = int(rng.integers(3, 8))
    rounding = Rounding.RND if rng.random() < 0.7 else Rounding.TRN
    form = FixedPoint(width, int(rng.integers(1, width)), False)
    return Requantize(name=name, inputs=(source,), format=form, rounding=rounding, overflow=Overflow.SAT)


def _activated(rng: np.random.Generator, name: str, source: str) -> list[Node]:
    return [Relu(name=f"{name}.relu", inputs=(source,)), _cast(rng, f"{name}.out", f"{name}.relu")]


def _mlp(rng: np.random.Generator, name: str, largest: int, zeros: float) -> Graph:
    sizes = [int(n) for n in rng.integers(5, largest, int(rng.integers(3, 5)))]
    width = int(rng.integers(3, 8))
    nodes: list[Node] = [Input(name="x", shape=(sizes[0],), format=FixedPoint(width, width - 1, bool(rng.integers(2))))]
    for i, (fan_in, fan_out) in enumerate(itertools.pairwise(sizes)):
        bias = _tensor(rng, (fan_out,), 6) if rng.integers(2) else None
        weight = _tensor(rng, (fan_out, fan_in), int(rng.integers(3, 8)), zeros)
        nodes.append(Dense(name=f"fc{i}", inputs=(nodes[-1].name,), weight=weight, bias=bias))
        if i < len(sizes) - 2:
            nodes += _activated(rng, f"fc{i}", nodes[-1].name)
    if rng.integers(2):
        nodes.append(ArgMax(name="class", inputs=(nodes[-1].name,)))
    return Graph(name, tuple(nodes), (nodes[-1].name,))


def _conv(rng: np.random.Generator, name: str, size: int, most: int) -> Graph:
    """One or two convolutions, half of the time with a scale, a join or a pool behind them, and a Dense."""
    width, channels = int(rng.integers(3, 7)), int(rng.integers(min(most, 2), most + 1))
    nodes: list[Node] = [Input(name="x", shape=(1, size, size), format=FixedPoint(width, width - 1, False))]
    weight = _tensor(rng, (channels, 1, 3, 3), int(rng.integers(3, 7)))
    nodes.append(Conv2d(name="conv", inputs=("x",), weight=weight, padding=(1, 1)))
    if rng.integers(2):
        scale, shift = _tensor(rng, (channels,), 5), _tensor(rng, (channels,), 6)
        nodes.append(_cast(rng, "conv.sum", "conv"))
        nodes.append(ScaleShift(name="bn", inputs=("conv.sum",), scale=scale, shift=shift))
    nodes += _activated(rng, "conv", nodes[-1].name)
    if most > 2 and rng.integers(2):
        weight = _tensor(rng, (channels, channels, 3, 3), int(rng.integers(3, 6)))
        nodes.append(Conv2d(name="next", inputs=("conv.out",), weight=weight, padding=(1, 1)))
        nodes.append(_cast(rng, "next.sum", "next"))
        nodes.append(Add(name="add", inputs=("next.sum", "conv.out")))
        nodes += _activated(rng, "add", "add")
    pool = rng.integers(3)
    if pool == 0:
        nodes.append(MaxPool2d(name="pool", inputs=(nodes[-1].name,), kernel=(2, 2), stride=(2, 2)))
    elif pool == 1:
        mean = Tensor(np.array(1), FixedPoint(1, 2, False))
        nodes.append(AvgPool2d(name="pool", inputs=(nodes[-1].name,), kernel=(2, 2), stride=(2, 2), scale=mean))
        nodes.append(_cast(rng, "pool.out", "pool"))
    nodes.append(Flatten(name="flat", inputs=(nodes[-1].name,)))
    held = channels * (size // 2) ** 2 if pool < 2 else channels * size**2
    nodes.append(Dense(name="fc", inputs=("flat",), weight=_tensor(rng, (4, held), 4)))
    return Graph(name, tuple(nodes), ("fc",))


def _alive(graph: Graph) -> bool:
    """Whether every cast leaves four different codes or more, and random samples give different answers."""
    values = [graph.values[node.name] for node in graph if isinstance(node, Requantize)]
    (answers,) = interpret(graph, random_codes(graph, 64))
    return all(value.high - value.low >= 3 for value in values) and len(np.unique(answers, axis=0)) > 1


def _drawn(rng: np.random.Generator, kind: str, name: str) -> Graph:
    if kind == "stream mlp":
        return _mlp(rng, name, 33, 0.0)
    if kind == "stream conv":
        return _conv(rng, name, int(rng.choice([6, 8])), 4)
    if kind == "spatial mlp":
        return _mlp(rng, name, 11, float(rng.choice([0.0, 0.5])))
    return _conv(rng, name, 4, 1)


def design(number: int) -> tuple[Graph, dict[str, Any], str]:
    """Graph, architecture and board of a design."""
    rng, kind = np.random.default_rng([number, SEED]), KINDS[number % 4]
    graph = _drawn(rng, kind, f"held_{number}")
    while not _alive(graph):
        graph = _drawn(rng, kind, f"held_{number}")
    return graph, {"architecture": kind.split()[0]}, BOARDS[number // 4 % 2]


def measured(number: int) -> dict[str, Any]:
    """Resources of a whole design by synthesis."""
    graph, options, board = design(number)
    files = export_architecture(graph, **options)
    names = [line for line in str(files["filelist.f"]).split() if line.endswith(".sv")]
    top = json.loads(str(files[METADATA]))["top"]
    area = synthesise({n: str(files[n]) for n in names}, top, load_board(board).family).area
    return {name: getattr(area, name) for name in (*RESOURCES, "carry")}


def estimated(number: int) -> dict[str, Any]:
    """The same by the model."""
    graph, options, board = design(number)
    cost = estimate(graph, load_board(board), **options)
    return {**cost.total.to_json(), "latency_cycles": cost.latency_cycles, "ii_cycles": cost.ii_cycles}


def read_table() -> dict[str, Any]:
    """Measured areas by the number of the design, with tool and recipe."""
    empty = {"tool": tool(), "recipe": {b: list(recipe(load_board(b).family)) for b in BOARDS}, "measured": {}}
    stored = json.loads(TABLE.read_text()) if TABLE.is_file() else empty
    return stored if (stored["tool"], stored["recipe"]) == (empty["tool"], empty["recipe"]) else empty


def write_table(table: dict[str, Any]) -> None:
    """One design a line."""
    head = json.dumps({key: value for key, value in table.items() if key != "measured"}, indent=1)
    rows = sorted(table["measured"].items(), key=lambda entry: int(entry[0]))
    listed = ",\n".join(f'  "{number}": {json.dumps(area)}' for number, area in rows)
    write_file(TABLE, f'{head.removesuffix("}").rstrip()},\n "measured": {{\n{listed}\n }}\n}}\n')


def errors(table: dict[str, Any], kinds: tuple[str, ...] = KINDS, resource: str = "lut") -> np.ndarray:
    """Signed errors in percent of every measured design of some kinds; those of fewer than 50 as if they had 50."""
    pairs = [
        (estimated(int(number))[resource], area[resource])
        for number, area in table["measured"].items()
        if KINDS[int(number) % 4] in kinds
    ]
    return np.array([100 * (guess - truth) / max(truth, SMALLEST) for guess, truth in pairs])


def summary(found: np.ndarray) -> str:
    """Median, 90th percentile, largest, bias."""
    size = np.abs(found)
    return (
        f"{len(found):3} designs: median {np.median(size):5.1f} %, p90 {np.quantile(size, 0.9):5.1f} %, "
        f"max {size.max():5.1f} %, bias {found.mean():+5.1f} %"
    )


def complete(numbers: range) -> dict[str, Any]:
    """Measure what is missing; another process may measure other designs meanwhile."""
    for number in numbers:
        if str(number) not in read_table()["measured"]:
            area, table = measured(number), read_table()
            table["measured"][str(number)] = area
            write_table(table)
    return read_table()


def main(count: int) -> None:
    """Measure what is missing, then say how far the estimates are."""
    table = complete(range(count))
    for number in range(count):
        area, guess = table["measured"][str(number)], estimated(number)
        rest = " ".join(f"{key} {guess[key]}/{area[key]}" for key in ("ff", "dsp", "bram"))
        error = 100 * (guess["lut"] / area["lut"] - 1)
        sys.stdout.write(
            f"{number:3} {KINDS[number % 4]:13} {guess['lut']:6} {area['lut']:6} {error:+6.1f} %  {rest}\n"
        )
        sys.stdout.flush()
    for kinds in (KINDS, *((kind,) for kind in KINDS)):
        if (found := errors(table, kinds)).size:
            sys.stdout.write(f"{' and '.join(kinds):58} LUT {summary(found)}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else COUNT)
