"""Empirical bias correction (1906.04721): per channel, the mean error of a layer's output is taken out of its bias."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from flow.training.layers import FixedConv2d, FixedDense, FixedScaleShift
from flow.training.model import QuantizedModel
from flow.training.ptq.reference import step_values
from flow.training.quantizer import Quantizer

__all__ = ["correct_biases"]

# What is added per channel, and its quantiser.
_ADDED: dict[type[nn.Module], tuple[str, str]] = {
    FixedDense: ("bias", "bias_quantizer"),
    FixedConv2d: ("bias", "bias_quantizer"),
    FixedScaleShift: ("shift", "shift_quantizer"),
}


def _addend(layer: nn.Module) -> tuple[nn.Parameter, Quantizer] | None:
    names = _ADDED.get(type(layer))
    if names is None or getattr(layer, names[0]) is None:
        return None
    return getattr(layer, names[0]), getattr(layer, names[1])


def _channel_means(values: Tensor) -> Tensor:
    return values.double().transpose(0, 1).flatten(1).mean(1)


def correct_biases(model: QuantizedModel, twin: QuantizedModel, data: Tensor) -> QuantizedModel:
    """A copy in which every layer's output has the mean, per channel, that the float network gives it.

    Layers are corrected in the order of computation, each with the ones before it corrected. A Conv2d without a bias
    is left to the BatchNorm behind it. The binary point of a changed bias moves to its best position.

    Args:
        model: quantised; left as it is.
        twin: `float_twin` of the model with its float weights.
        data: float[B, ...].
    """
    result, wanted = copy.deepcopy(model), step_values(twin, data)
    for key in dict.fromkeys(step.layer for step in result.steps):
        found = _addend(result.layers[key])
        if found is None:
            continue
        addend, quantizer = found
        seen = step_values(result, data)
        names = [step.name for step in result.steps if step.layer == key]
        errors = [_channel_means(wanted[name]) - _channel_means(seen[name]) for name in names]
        with torch.no_grad():
            # From the value on the grid: the rounding of the old bias is part of the error that was measured.
            addend.copy_(quantizer(addend) + torch.stack(errors).mean(0))
            quantizer.move_to_best(addend)
    return result
