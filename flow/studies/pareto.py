"""Accuracy against LUTs: nets trained to budgets beside nets of one word length for everything.

A cell is a training: to a budget, in which case its LUTs are Yosys', or with weights, activations and input of `bits`
bits, biases of two more and learned binary points, whose LUTs are the estimate of `flow.training.SpatialCost` (such
designs are several times larger, and synthesis takes many minutes). Any number of workers share the cells.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from flow.errors import RecipeError
from flow.progress import Report, silent
from flow.project import Project
from flow.recipe import Recipe, load_recipe
from flow.stages.models import dataset_of, network_of, quantized_of
from flow.stages.train import train_stage
from flow.studies.outcome import Outcome, Sheet
from flow.studies.queue import Queue
from flow.studies.rows import SpreadRow
from flow.studies.select import Choice

__all__ = ["Mean", "cells", "dominated", "outcome", "run"]

_BUDGETS = (1000, 1500, 2500)
_RECIPE = "digits_budget"
_PACKAGES = ("torch", "alkaid", "pyosys", "optuna")
_WIDER = 2  # bits of a bias beyond the others

Cell = dict[str, int]


@dataclass(frozen=True, slots=True)
class Mean:
    """One line of the table: means over the seeds of a cell.

    Attributes:
        name: of what was trained.
        learned: whether to a budget.
        lut: LUTs.
        accuracy: percent of the test samples.
        seeds: how many.
        spreads: sample standard deviations of both; None for one seed.
    """

    name: str
    learned: bool
    lut: float
    accuracy: float
    seeds: int
    spreads: tuple[float, float] | None = None


def cells(choice: Choice) -> list[Cell]:
    """All trainings of a choice, the budgets first; a cell has a budget or bits, the other being 0."""
    kinds = [{"budget": limit, "bits": 0} for limit in choice.budgets or _BUDGETS]
    kinds += [{"budget": 0, "bits": bits} for bits in choice.bits]
    return [{**kind, "seed": seed} for seed in range(choice.seeds) for kind in kinds]


def _recipe_of(base: Recipe, cell: Cell) -> Recipe:
    name = f"budget_{cell['budget']}" if cell["budget"] else f"uniform_{cell['bits']}"
    held = replace(base, name=f"{name}_{cell['seed']}", seed=cell["seed"])
    if cell["budget"]:
        return held.with_budget(f"lut<={cell['budget']}")
    word = f"u{cell['bits']}"
    quantize = {
        "weights": f"s{cell['bits']}",
        "biases": f"s{cell['bits'] + _WIDER}",
        "activations": word,
        "input": word,
    }
    return replace(held, train=replace(held.train, budget=None), quantize=quantize)


def _estimated(recipe: Recipe, project: Project) -> float:
    """LUTs of a trained model, from its adder bits."""
    from flow.training import SpatialCost, calibration, unpack

    model = quantized_of(recipe, dataset_of(recipe), network_of(recipe))
    model.load_state_dict(unpack(project.path("checkpoint.pt"))["learned"]["model"])
    return float(SpatialCost(model)().detach()) * calibration().lut


def _figures(base: Recipe, cell: Cell, folder: Path, source: str) -> dict[str, float]:
    recipe = _recipe_of(base, cell)
    project = train_stage(recipe, source, folder, silent)
    found = project.read_json("train.json", "train")
    lut = found["budget"]["measured"] if cell["budget"] else _estimated(recipe, project)
    return {"accuracy": found["accuracy"], "lut": float(lut)}


def dominated(point: Mean, points: Sequence[Mean]) -> bool:
    """Whether a learned net is at least as accurate with at most as many LUTs."""
    return any(p.learned and p.lut <= point.lut and p.accuracy >= point.accuracy for p in points)


def _means(found: Sequence[Mapping[str, float]]) -> list[Mean]:
    kinds = dict.fromkeys((int(entry["budget"]), int(entry["bits"])) for entry in found)
    made = []
    for budget, bits in kinds:
        group = [entry for entry in found if (entry["budget"], entry["bits"]) == (budget, bits)]
        luts, shares = [entry["lut"] for entry in group], [100 * entry["accuracy"] for entry in group]
        spreads = (statistics.stdev(luts), statistics.stdev(shares)) if len(group) > 1 else None
        name = f"lut<={budget}" if budget else f"{bits} bits everywhere"
        made.append(Mean(name, budget > 0, statistics.mean(luts), statistics.mean(shares), len(group), spreads))
    return sorted(made, key=lambda mean: mean.lut)


def _spread(value: float, spread: float | None, form: str) -> str:
    return format(value, form) if spread is None else f"{value:{form}} ± {spread:{form}}"


def _line(mean: Mean, points: Sequence[Mean]) -> tuple[str, ...]:
    luts, percents = mean.spreads or (None, None)
    kind = "measured" if mean.learned else "estimated"
    beaten = "" if mean.learned else ("yes" if dominated(mean, points) else "no")
    return mean.name, _spread(mean.lut, luts, ",.0f"), kind, _spread(mean.accuracy, percents, ".2f"), beaten


def _rows(mean: Mean) -> tuple[SpreadRow, SpreadRow]:
    luts, percents = mean.spreads or (None, None)
    who = "flow, learned" if mean.learned else "flow, one width"
    return (
        SpreadRow(mean.name, who, mean.lut, "LUT", None, luts, mean.seeds),
        SpreadRow(mean.name, who, mean.accuracy, "%", None, percents, mean.seeds),
    )


def outcome(name: str, found: Sequence[Mapping[str, float]]) -> Outcome:
    """The table and the verdict of cells with their `lut` and `accuracy`."""
    points = _means(found)
    lines = tuple(_line(point, points) for point in points)
    uniform = [point for point in points if not point.learned]
    beaten = sum(dominated(point, points) for point in uniform)
    verdict = f"Nets trained to a budget dominate {beaten} of {len(uniform)} word lengths used for everything."
    headings = ("net", "LUT", "by", "accuracy %", "dominated")
    sheet = Sheet(f"{name}: accuracy against LUTs, {_seeds(points)}", headings, lines)
    return Outcome((sheet,), (verdict,), tuple(row for point in points for row in _rows(point)), _PACKAGES)


def _seeds(points: Sequence[Mean]) -> str:
    counts = sorted({point.seeds for point in points})
    return " to ".join(dict.fromkeys(str(count) for count in (counts[:1] + counts[-1:]))) + " seeds"


def run(choice: Choice, folder: Path, report: Report) -> Outcome:
    """Take cells until none waits, and return the table of all that are done by then.

    Args:
        choice: recipe, budgets, word lengths, seeds, storage.
        folder: holds a project for every cell, and the default storage.
        report: told of every cell.

    Raises:
        RecipeError: data sets were chosen, which the recipe does, or a storage that cannot be opened.
        ToolError: Optuna is not installed.
    """
    if choice.datasets:
        raise RecipeError("The study pareto takes its data set from --recipe, not from --datasets; leave that out.")
    source = choice.recipe or _RECIPE
    base, wanted = load_recipe(source), cells(choice)
    folder = folder / base.name
    queue = Queue(folder, base.name, choice.storage)
    if not choice.finished:
        _work(queue, wanted, base, folder, source, report)
    return outcome(base.name, queue.finished(wanted))


def _work(queue: Queue, wanted: list[Cell], base: Recipe, folder: Path, source: str, report: Report) -> None:
    queue.add(wanted)
    while True:
        report("study: pareto", len(queue.finished(wanted)), len(wanted))
        taken = queue.take()
        if taken is None:
            return
        trial, cell = taken
        try:
            figures = _figures(base, cell, folder, source)
        except BaseException:
            queue.failed(trial)
            raise
        queue.done(trial, figures)
