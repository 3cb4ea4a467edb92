"""Accuracy against LUTs: nets trained to budgets beside nets of one word length for everything.

A cell is a training: to a budget, or with weights, activations and input of `bits` bits, biases of two more and learned
binary points, casts rounding as they do under a budget. Its LUTs are Yosys', ports and registers included; those that
training to a budget has estimated of the same design are kept beside them. Any number of workers share the cells.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from flow.errors import RecipeError
from flow.progress import Report, silent
from flow.project import Project
from flow.recipe import Recipe, load_recipe
from flow.stages.budget import QUANTIZE, measured_luts
from flow.stages.models import dataset_of, network_of, quantized_of
from flow.stages.train import train_stage
from flow.studies.outcome import Outcome
from flow.studies.queue import Queue
from flow.studies.select import Choice
from flow.studies.trade import outcome, points_of

__all__ = ["cell_recipe", "cells", "run"]

_BUDGETS = (1000, 1500, 2500, 4000, 8000)
_BITS = (2, 3, 4, 5, 6)
_RECIPE = "digits_budget"
_WIDER = 2  # bits of a bias beyond the others

Cell = dict[str, int]


def cells(choice: Choice) -> list[Cell]:
    """All trainings of a choice, the budgets first; a cell has a budget or bits, the other being 0."""
    kinds = [{"budget": limit, "bits": 0} for limit in choice.budgets or _BUDGETS]
    kinds += [{"budget": 0, "bits": bits} for bits in choice.bits or _BITS]
    return [{**kind, "seed": seed} for seed in range(choice.seeds) for kind in kinds]


def cell_recipe(base: Recipe, cell: Cell) -> Recipe:
    """What is trained for a cell of the study of a recipe."""
    name = f"budget_{cell['budget']}" if cell["budget"] else f"uniform_{cell['bits']}"
    held = replace(base, name=f"{name}_{cell['seed']}", seed=cell["seed"])
    if cell["budget"]:
        return held.with_budget(f"lut<={cell['budget']}")
    word = f"u{cell['bits']}"
    kept = {option: value for option, value in base.quantize.items() if option not in QUANTIZE}
    words = {"weights": f"s{cell['bits']}", "biases": f"s{cell['bits'] + _WIDER}", "activations": word, "input": word}
    quantize = {**kept, **words, "rounding": QUANTIZE["rounding"]}
    return replace(held, train=replace(held.train, budget=None), quantize=quantize)


def _measured(recipe: Recipe, project: Project) -> int:
    """LUTs of a trained model as shifts and additions."""
    from flow.training import unpack

    model = quantized_of(recipe, dataset_of(recipe), network_of(recipe))
    model.load_state_dict(unpack(project.path("checkpoint.pt"))["learned"]["model"])
    return measured_luts(model.eval(), recipe)


def _figures(base: Recipe, cell: Cell, folder: Path, source: str) -> dict[str, float]:
    recipe = cell_recipe(base, cell)
    project = train_stage(recipe, source, folder, silent)
    found = project.read_json("train.json", "train")
    if not cell["budget"]:
        return {"accuracy": found["accuracy"], "lut": float(_measured(recipe, project))}
    luts = {"lut": float(found["budget"]["measured"]), "estimated": float(found["budget"]["estimated"])}
    return {"accuracy": found["accuracy"], **luts}


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
    return outcome(base.name, points_of(queue.finished(wanted)))


def _work(queue: Queue, wanted: list[Cell], base: Recipe, folder: Path, source: str, report: Report) -> None:
    while True:
        report("study: pareto", len(queue.finished(wanted)), len(wanted))
        taken = queue.take(wanted)
        if taken is None:
            return
        trial, cell = taken
        try:
            figures = _figures(base, cell, folder, source)
        except BaseException:
            queue.failed(trial)
            raise
        queue.done(trial, figures)
