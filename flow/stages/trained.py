"""From a trained project back to its model, its graph and its test vectors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import FlowError
from flow.ir import Graph
from flow.project import Project
from flow.recipe import Recipe
from flow.stages.models import dataset_of, network_of, quantized_of

__all__ = ["lowered", "trained_model"]


def trained_model(project: Project, recipe: Recipe) -> Any:
    """The quantised model with the weights of the checkpoint.

    Raises:
        FlowError: the recipe has changed since the training, or the training has not ended.
    """
    from flow.training import unpack

    state = unpack(project.path("checkpoint.pt"))
    if state.get("digest") != recipe.training_digest() or "learned" not in state:
        raise FlowError(f"The checkpoint of {project.name!r} does not belong to its recipe; run `flow train` again.")
    model = quantized_of(recipe, dataset_of(recipe), network_of(recipe))
    model.load_state_dict(state["learned"]["model"])
    return model.eval()


def lowered(project: Project, recipe: Recipe) -> tuple[Graph, NDArray[np.int64]]:
    """The design's graph, and every test sample as codes int64[N, *shape]."""
    from flow.lowering import encode_input, lower

    model = trained_model(project, recipe)
    graph = lower(model, name=recipe.name, argmax=recipe.argmax)
    return graph, encode_input(model, dataset_of(recipe).test_x)
