"""`flow check`: whether every node of a model has a form in the graph; all that has none in one message."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import RecipeError
from flow.lowering.from_onnx import Factor, Scales, read_onnx
from flow.recipe import load_recipe
from flow.stages.functions import function_of
from flow.stages.models import dataset_of, network_of

__all__ = ["Checked", "check_model"]


@dataclass(frozen=True, slots=True)
class Checked:
    """A model of which everything is supported.

    Attributes:
        model: as the user named it.
        operators: how often each kind occurs.
        factors: real factors that dyadic ones would stand for; of an ONNX file with `scales='dyadic'` only.
        input_unit: what one unit of the input is worth; 1 unless an ONNX file's input scale is no power of two.
    """

    model: str
    operators: dict[str, int]
    factors: tuple[Factor, ...] = ()
    input_unit: Fraction = Fraction(1)


def check_model(model: str, shape: tuple[int, ...] = (), scales: str = "error") -> Checked:
    """Look at a model without training or writing anything.

    Args:
        model: a recipe, an ONNX file, or `file.py:function`, whose function makes a torch module.
        shape: one sample's, for `file.py:function`.
        scales: `error` or `dyadic`, as in `flow.load_onnx`.

    Raises:
        UnsupportedError: one message that lists every node without a form here, with its module and source line.
        RecipeError: no such recipe, file or function, no shape where one is needed, or scales where they say nothing.
    """
    if model.endswith(".onnx"):
        loaded = read_onnx(model, Scales.named(scales))
        return Checked(model, dict(Counter(node.op for node in loaded.graph)), loaded.factors, loaded.input_unit)
    if scales != "error":
        raise RecipeError(f"--scales says how to read an ONNX file, but {model!r} is none; leave it out.")
    from flow.training.supported import operators_of

    return Checked(model, operators_of(*_torch_model(model, shape)))


def _torch_model(model: str, shape: tuple[int, ...]) -> tuple[Any, NDArray[Any]]:
    """A torch module, and two samples for it."""
    if ":" not in model:
        recipe = load_recipe(model)
        return network_of(recipe), dataset_of(recipe).train_x[:2]
    if not shape:
        raise RecipeError(
            f"A function says nothing of its input: give a sample's shape for {model!r}, as in --shape 1,28,28."
        )
    made = function_of(model, Path(), place="The model")()
    return made, np.zeros((2, *shape), dtype=np.int64 if _reads_rows(made, shape) else np.float32)


def _reads_rows(model: Any, shape: tuple[int, ...]) -> bool:
    """Whether a module takes integers and no floats, as one does whose input numbers rows of an Embedding."""
    from flow.training.supported import takes

    return not takes(model, np.zeros((2, *shape), np.float32)) and takes(model, np.zeros((2, *shape), np.int64))
