"""From a recipe to data, network and trained model."""

from __future__ import annotations

from typing import Any

from flow.datasets import Dataset, load
from flow.project import Project
from flow.recipe import Recipe, load_recipe
from flow.stages.budget import QUANTIZE
from flow.stages.functions import function_of

__all__ = ["dataset_of", "network_of", "quantized_of", "recipe_of"]

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


def network_of(recipe: Recipe) -> Any:
    """A fresh float network, its weights drawn with the recipe's seed.

    Raises:
        RecipeError: the model is neither built in nor `file.py:function`.
    """
    from flow.training import NETS, seeded

    make = NETS.get(recipe.model) or function_of(recipe.model, recipe.folder, tuple(NETS))
    with seeded(recipe.seed):
        return make()


def quantized_of(recipe: Recipe, data: Dataset, network: Any) -> Any:
    """The network's trainable fixed-point form, calibrated on the first training samples."""
    from flow.training import quantize

    needed = QUANTIZE if recipe.priced else {}
    return quantize(network, data.train_x[:_CALIBRATION], **{**needed, **recipe.quantize})
