"""From a recipe to data, network and trained model."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flow.datasets import Dataset, load
from flow.errors import RecipeError
from flow.project import Project
from flow.recipe import Recipe, load_recipe
from flow.stages.budget import QUANTIZE

__all__ = ["dataset_of", "function_of", "network_of", "quantized_of", "recipe_of"]

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


def function_of(
    model: str, folder: Path, known: tuple[str, ...] = (), place: str = "Recipe key 'model'"
) -> Callable[[], Any]:
    """The function that `file.py:function` names, the file as seen from `folder`.

    Args:
        model: the text.
        folder: where relative files start.
        known: names that would have done as well, for the message.
        place: what holds the text, for the message.

    Raises:
        RecipeError: no such file or function, or the text names none.
    """
    file, colon, name = model.partition(":")
    if not colon:
        raise RecipeError(f"{place} must be file.py:function or one of {', '.join(known)}, not {file!r}.")
    path = folder / file
    spec = importlib.util.spec_from_file_location(Path(file).stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise RecipeError(f"{place} names the file {str(path)!r}, which is not a Python file that exists.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    make = getattr(module, name, None)
    if not callable(make):
        raise RecipeError(f"{place} names the function {name!r}, which {str(path)!r} does not define.")
    return make


def quantized_of(recipe: Recipe, data: Dataset, network: Any) -> Any:
    """The network's trainable fixed-point form, calibrated on the first training samples."""
    from flow.training import quantize

    needed = {} if recipe.train.budget is None else QUANTIZE
    return quantize(network, data.train_x[:_CALIBRATION], **{**needed, **recipe.quantize})
