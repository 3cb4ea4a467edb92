"""Where a design comes from, a training or an ONNX file: how its model, its graph and its inputs are had again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from flow.errors import FlowError
from flow.ir import Graph
from flow.project import Project
from flow.recipe import Recipe
from flow.stages.imported import MODEL, imported_graph
from flow.stages.inputs import IMPORT, VECTORS, read_inputs
from flow.stages.models import dataset_of, network_of, quantized_of, recipe_of

__all__ = ["SOURCES", "Origin", "origin_of"]

SOURCES = ("checkpoint.pt", IMPORT, MODEL)  # files under build/NAME that say what is computed
_IMPORTED = ("onnx", "hls"), ("interpreter", "onnxruntime", "csim")


class Origin(Protocol):
    """What stages ask of it.

    Attributes:
        exports: exporters that are meant where none is named.
        rungs: rungs that are meant where none is named.
        options: of the exporters that have some, by name.
        boards: that are meant where none is named.
    """

    @property
    def exports(self) -> Sequence[str]: ...

    @property
    def rungs(self) -> Sequence[str]: ...

    @property
    def options(self) -> Mapping[str, Mapping[str, Any]]: ...

    @property
    def boards(self) -> Sequence[str]: ...

    def digest(self) -> str:
        """A hash of all that the graph follows from."""

    def model(self) -> Any:
        """The model in torch; None where there is none."""

    def lowered(self) -> tuple[Graph, NDArray[np.int64]]:
        """The design's graph, and inputs for it as codes int64[N, *shape]."""


@dataclass(frozen=True, slots=True)
class _Trained:
    """A checkpoint and the recipe that made it; its inputs are the test samples."""

    project: Project
    recipe: Recipe

    @property
    def exports(self) -> Sequence[str]:
        return self.recipe.exports

    @property
    def rungs(self) -> Sequence[str]:
        return self.recipe.rungs

    @property
    def options(self) -> Mapping[str, Mapping[str, Any]]:
        budget = (self.project.find_json("train.json") or {}).get("budget") or {}
        return {"hls": self.recipe.hls, "verilog": budget.get("verilog", self.recipe.verilog)}

    @property
    def boards(self) -> Sequence[str]:
        return self.recipe.boards

    def digest(self) -> str:
        options = {name: dict(given) for name, given in self.options.items()}
        return self.project.digest(["checkpoint.pt"], self.recipe.argmax, options)

    def model(self) -> Any:
        """The quantised model with the weights of the checkpoint.

        Raises:
            FlowError: the recipe has changed since the training, or the training has not ended.
        """
        from flow.training import unpack

        state = unpack(self.project.path("checkpoint.pt"))
        if state.get("digest") != self.recipe.training_digest() or "learned" not in state:
            raise FlowError(
                f"The checkpoint of {self.project.name!r} does not belong to its recipe; run `flow train` again."
            )
        model = quantized_of(self.recipe, dataset_of(self.recipe), network_of(self.recipe))
        model.load_state_dict(state["learned"]["model"])
        return model.eval()

    def lowered(self) -> tuple[Graph, NDArray[np.int64]]:
        from flow.lowering import encode_input, lower

        model = self.model()
        graph = lower(model, name=self.recipe.name, argmax=self.recipe.argmax)
        return graph, encode_input(model, dataset_of(self.recipe).test_x)


@dataclass(frozen=True, slots=True)
class _Imported:
    """An ONNX file, of which the folder holds a copy; its inputs are those that the vectors hold."""

    project: Project
    exports: Sequence[str] = _IMPORTED[0]
    rungs: Sequence[str] = _IMPORTED[1]
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    boards: Sequence[str] = ()

    def digest(self) -> str:
        return self.project.digest([IMPORT, MODEL, VECTORS])

    def model(self) -> Any:
        return None

    def lowered(self) -> tuple[Graph, NDArray[np.int64]]:
        graph = imported_graph(self.project)
        return graph, read_inputs(self.project, graph)


def origin_of(project: Project) -> Origin:
    """That of a project.

    Raises:
        FlowError: nothing was trained or imported under this name.
    """
    if project.path(IMPORT).is_file():
        return _Imported(project)
    return _Trained(project, recipe_of(project))
