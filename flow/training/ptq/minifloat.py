"""Minifloat weights: the split into exponent and mantissa and the bias that lose least (LLM-FP4, 2310.16836).

Every number of a minifloat is a whole multiple of its smallest one, so its weights fit a wider fixed-point word
exactly, and the network lowers as any other. LLM-FP4's real-valued bias is a whole one here: a power of two is free.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from flow.errors import RecipeError
from flow.formats import Minifloat
from flow.training.model import QuantizedModel
from flow.training.ptq.grids import nearest_minifloat, plain_layers
from flow.training.ptq.reference import LayerFit, layer_problems
from flow.training.spec import Word

__all__ = ["MinifloatChoice", "minifloat_weights", "search_minifloat"]

_WIDEST = 24  # bits of the fixed-point word: what float32 carries
_BELOW = 3  # biases tried that saturate the largest weight, one binade each


@dataclass(frozen=True, slots=True)
class MinifloatChoice:
    """A format and what it loses.

    Attributes:
        form: the minifloat.
        error: mean squared error of the weights, or of the layer's outputs where a fit was given.
    """

    form: Minifloat
    error: float


def _biases(exponent: int, mantissa: int, largest: float) -> list[int]:
    """From the bias with which nothing saturates to the one that cuts the last binades off."""
    if largest == 0.0:
        return [Minifloat.standard(exponent, mantissa).bias]
    top = math.frexp(Minifloat(exponent, mantissa, 0).high)[1]
    exact = top - math.frexp(largest)[1]
    return [exact + offset for offset in range(-1, _BELOW + 1)]


def _candidates(bits: int, largest: float, signed: bool) -> list[Minifloat]:
    splits = [(exponent, bits - signed - exponent) for exponent in range(1, bits - signed + 1)]
    forms = [
        Minifloat(exponent, mantissa, bias, signed=signed)
        for exponent, mantissa in splits
        if exponent <= 4
        for bias in _biases(exponent, mantissa, largest)
    ]
    return [form for form in forms if form.fixed_point.width <= _WIDEST and abs(form.frac) <= 32]


def search_minifloat(weight: Tensor, bits: int, fit: LayerFit | None = None, signed: bool = True) -> MinifloatChoice:
    """The best format among all splits of `bits` with 1 to 4 exponent bits, and biases around the largest weight.

    Args:
        weight: any shape.
        bits: of a code, 3..8.
        fit: the layer's least squares; without it the error of the weights counts, with it that of the outputs.
        signed: whether a code has a sign.

    Raises:
        RecipeError: the bits are not in 3..8.
    """
    if not 3 <= bits <= 8:
        raise RecipeError(f"Minifloat weights have 3..8 bits, not {bits}.")
    values = weight.detach().double()
    largest = float(values.abs().max()) if values.numel() else 0.0

    def error(form: Minifloat) -> float:
        chosen = nearest_minifloat(values, form)
        return float((chosen - values).square().mean()) if fit is None else fit.loss(chosen) / len(values)

    tried = [MinifloatChoice(form, error(form)) for form in _candidates(bits, largest, signed)]
    return min(tried, key=lambda choice: choice.error)


def minifloat_weights(
    model: QuantizedModel, twin: QuantizedModel, data: Tensor, bits: int | None = None
) -> tuple[QuantizedModel, dict[str, MinifloatChoice]]:
    """A copy whose weights are minifloats, each layer with the format that its outputs like best.

    Args:
        model: quantised; left as it is.
        twin: `float_twin` of the model with its float weights.
        data: float[B, ...].
        bits: of a weight; None means the width that each layer has now.

    Returns:
        The model, its weights in fixed-point words that hold the minifloats exactly, and the choices by layer key.

    Raises:
        RecipeError: the bits are not in 3..8.
    """
    result, choices = copy.deepcopy(model), dict[str, MinifloatChoice]()
    for key, layer in plain_layers(result).items():
        fit, word = layer_problems(result, twin, key, data), layer.weight_quantizer.word
        weight = twin.layers[key].weight
        choice = search_minifloat(weight, word.width if bits is None else bits, fit, word.signed)
        choices[key] = choice
        with torch.no_grad():
            layer.weight.copy_(nearest_minifloat(weight, choice.form))
            layer.weight_quantizer.word = Word(choice.form.fixed_point.width, word.signed)
            layer.weight_quantizer.frac.fill_(choice.form.frac)
    return result, choices
