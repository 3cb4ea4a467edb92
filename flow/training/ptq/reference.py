"""What a method compares with: the same network with every quantiser switched off, and the inputs of its layers."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from flow.training.layers import FixedConv2d, FixedDense
from flow.training.model import QuantizedModel
from flow.training.quantizer import Quantizer

__all__ = [
    "LayerFit",
    "Problem",
    "WeightedLayer",
    "evaluating",
    "float_twin",
    "layer_problems",
    "step_values",
    "weighted_layers",
]

WeightedLayer = FixedDense | FixedConv2d
_BATCH = 256


def float_twin(qmodel: QuantizedModel) -> QuantizedModel:
    """A copy whose quantisers pass everything on: the float function, with the steps and names of `qmodel`."""
    twin = copy.deepcopy(qmodel).eval()
    for module in list(twin.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, Quantizer):
                setattr(module, name, nn.Identity())
    return twin


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients within, the mode that was after."""
    before = model.training
    try:
        with torch.no_grad():
            model.eval()
            yield
    finally:
        model.train(before)


def step_values(model: QuantizedModel, data: Tensor) -> dict[str, Tensor]:
    """The value of every step by its name, for float[B, ...]."""
    with evaluating(model):
        return {step.name: value for step, value in zip(model.steps, model.values(data), strict=True)}


def weighted_layers(model: QuantizedModel) -> dict[str, WeightedLayer]:
    """The Linear and Conv2d layers by their key in `model.layers`, in order of computation.

    Of layers with one weight tensor between them only the first is listed.
    """
    found: dict[str, WeightedLayer] = {}
    for step in model.steps:
        layer = model.layers[step.layer]
        tied = any(layer.weight is other.weight for other in found.values()) if hasattr(layer, "weight") else True
        if isinstance(layer, FixedDense | FixedConv2d) and not tied:
            found[step.layer] = layer
    return found


@dataclass(frozen=True, slots=True)
class Problem:
    """Least squares of one group of a layer: the mean of `||W_float x_float - W x||**2` as a function of `W`.

    Attributes:
        hessian: E[x x'], float64[K, K]; x are the inputs that the quantised layer sees.
        cross: E[W_float x_float x'], float64[O, K].
        power: E[(W_float x_float)**2], float64[O].
    """

    hessian: Tensor
    cross: Tensor
    power: Tensor

    def loss(self, weight: Tensor) -> Tensor:
        """Mean squared error of each output, float64[O], of weights float64[O, K]."""
        return (weight @ self.hessian * weight - 2.0 * weight * self.cross).sum(1) + self.power


@dataclass(frozen=True, slots=True)
class LayerFit:
    """The problems of one layer, one a group of a grouped convolution."""

    groups: tuple[Problem, ...]

    def split(self, weight: Tensor) -> list[Tensor]:
        """The rows of each group, float64[O/G, K], of a weight of any shape."""
        return list(weight.detach().double().flatten(1).chunk(len(self.groups)))

    def loss(self, weight: Tensor) -> float:
        """Sum over the outputs of their mean squared errors."""
        parts = zip(self.groups, self.split(weight), strict=True)
        return sum(float(problem.loss(rows).sum()) for problem, rows in parts)


def _patches(layer: WeightedLayer, x: Tensor) -> Tensor:
    """What the rows of the weight are multiplied with: float64[G, N, K]."""
    if isinstance(layer, FixedDense):
        return x.double().unsqueeze(0)
    kernel = tuple(layer.weight.shape[2:])
    columns = functional.unfold(x.double(), kernel, layer.dilation, layer.padding, layer.stride)
    grouped = columns.unflatten(1, (layer.groups, -1))
    return grouped.permute(1, 0, 3, 2).flatten(1, 2)


def layer_problems(model: QuantizedModel, twin: QuantizedModel, key: str, data: Tensor) -> LayerFit:
    """The least-squares problems of the layer `key`, over all steps that use it.

    Args:
        model: quantised as far as the layer's inputs go.
        twin: of the same model, by `float_twin`; its layer holds the float weight.
        key: in `model.layers`.
        data: float[B, ...].
    """
    layer, weight = model.layers[key], twin.layers[key].weight.detach().double().flatten(1)
    groups = getattr(layer, "groups", 1)
    sums: list[list[Tensor]] = [[], [], []]
    count = 0
    for part in data.split(_BATCH):
        seen, wanted = step_values(model, part), step_values(twin, part)
        for step in (step for step in model.steps if step.layer == key):
            source = model.steps[step.inputs[0]].name
            x, target = _patches(layer, seen[source]), _patches(layer, wanted[source])
            y = target @ weight.unflatten(0, (groups, -1)).mT
            count += x.shape[1]
            for held, added in zip(sums, (x.mT @ x, y.mT @ x, y.square().sum(1)), strict=True):
                held.append(added)
    hessian, cross, power = (torch.stack(held).sum(0) / count for held in sums)
    return LayerFit(tuple(Problem(*parts) for parts in zip(hessian, cross, power, strict=True)))
