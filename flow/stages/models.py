"""From a recipe to data, network and trained model."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flow.datasets import Dataset, load
from flow.errors import RecipeError
from flow.project import Project
from flow.recipe import Recipe, load_recipe
from flow.stages.budget import QUANTIZE, starting_words
from flow.stages.functions import function_of

__all__ = ["dataset_of", "network_of", "quantized_of", "recipe_of", "teacher_of"]

_CALIBRATION = 512


def recipe_of(project: Project) -> Recipe:
    """The recipe that `flow train` used for this project.

    Raises:
        FlowError: the project is not trained yet.
    """
    held = project.read_json("train.json", "train")
    return load_recipe(held["recipe"]).with_budget((held.get("budget") or {}).get("asked"))


def dataset_of(recipe: Recipe) -> Dataset:
    """The recipe's data; the split between training and test is the same for every seed."""
    return load(recipe.dataset, seed=0)


def network_of(recipe: Recipe, place: str = "Recipe key 'model'") -> Any:
    """A fresh float network, its weights drawn with the recipe's seed; `place` names it in messages.

    Raises:
        RecipeError: the model is neither built in nor `file.py:function`.
    """
    from flow.training import NETS, seeded

    make = NETS.get(recipe.model) or function_of(recipe.model, recipe.folder, tuple(NETS), place)
    with seeded(recipe.seed):
        return make()


def teacher_of(recipe: Recipe, data: Dataset, network: Any) -> Any:
    """A fresh float network that shall teach this one: another one, or this one itself; None without a teacher.

    Raises:
        RecipeError: it is neither built in nor `file.py:function`, does not take the data, or answers in another shape.
    """
    from flow.training import answers

    name, sample = recipe.train.teacher, data.train_x[:1]
    if name is None or name == recipe.model:
        return None if name is None else network
    teacher = network_of(replace(recipe, model=name), "Recipe key 'train.teacher'")
    wanted = tuple(answers(network, sample).shape)
    try:
        given = tuple(answers(teacher, sample).shape)
    except (RuntimeError, ValueError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise RecipeError(
            f"Recipe key 'train.teacher'={name!r} does not take samples {list(sample.shape[1:])}: {reason}; name a net "
            "for this data set."
        ) from None
    if given != wanted:
        raise RecipeError(
            f"Recipe key 'train.teacher'={name!r} answers {list(given[1:])} for a sample, but {recipe.model!r} "
            f"{list(wanted[1:])}; name a net of as many classes."
        )
    return teacher


def quantized_of(recipe: Recipe, data: Dataset, network: Any) -> Any:
    """The network's trainable fixed-point form, calibrated on the first training samples."""
    from flow.training import SpatialCost, quantize

    example, needed = data.train_x[:_CALIBRATION], QUANTIZE if recipe.priced else {}
    model = quantize(network, example, **{**needed, **recipe.quantize})
    found = starting_words(recipe, SpatialCost(model).products) if recipe.priced else {}
    return quantize(network, example, **{**needed, **found, **recipe.quantize}) if found else model
