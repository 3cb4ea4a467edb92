"""Mixed precision: which width each layer's weights get, under one budget of bits.

The sensitivity of a layer at a width is the mean squared change of the float network's outputs when that layer's
weights alone have that width; the changes of several layers are taken to add up, and the best allocation is exact.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from flow.errors import RecipeError
from flow.training.model import QuantizedModel
from flow.training.ptq.grids import plain_layers
from flow.training.ptq.reference import step_values
from flow.training.quantizer import Quantizer
from flow.training.spec import Word

__all__ = ["allocate", "mixed_precision", "sensitivities", "with_widths"]

Sensitivities = Mapping[str, Mapping[int, float]]  # layer key -> width in bits -> loss


def sensitivities(
    model: QuantizedModel, twin: QuantizedModel, data: Tensor, widths: Sequence[int]
) -> dict[str, dict[int, float]]:
    """What each layer's weights alone cost at each width.

    Args:
        model: gives the words' sign and modes; left as it is.
        twin: `float_twin` of the model.
        data: float[B, ...].
        widths: in bits.

    Returns:
        Mean squared change of the outputs by layer key and width.
    """
    trial = copy.deepcopy(twin)
    wanted = _answers(twin, data)
    found: dict[str, dict[int, float]] = {}
    for key, layer in plain_layers(model).items():
        weight = trial.layers[key].weight
        original, found[key] = weight.detach().clone(), {}
        for width in widths:
            with torch.no_grad():
                weight.copy_(_with_width(layer.weight_quantizer, original, width)(original))
            found[key][width] = float((_answers(trial, data) - wanted).square().mean())
        with torch.no_grad():
            weight.copy_(original)
    return found


def _answers(model: QuantizedModel, data: Tensor) -> Tensor:
    """Every output of every sample, double[B, N]."""
    values = step_values(model, data)
    return torch.cat([values[model.steps[index].name].flatten(1) for index in model.outputs], dim=1).double()


def allocate(losses: Sensitivities, sizes: Mapping[str, int], budget: int) -> dict[str, int]:
    """The widths with the least sum of losses whose bits do not exceed the budget: exact, by dynamic programming.

    Args:
        losses: by layer and width.
        sizes: number of weights by layer.
        budget: bits of all weights together.

    Returns:
        Width by layer.

    Raises:
        RecipeError: even the smallest widths exceed the budget.

    >>> allocate({"a": {2: 9.0, 4: 1.0}, "b": {2: 2.0, 4: 1.0}}, {"a": 10, "b": 10}, 60)
    {'a': 4, 'b': 2}
    """
    least = sum(min(losses[key]) * sizes[key] for key in losses)
    if least > budget:
        raise RecipeError(f"The weights need at least {least} bits at their smallest widths, not {budget}; allow more.")
    # What is spent -> (loss, widths); only entries that are better than all cheaper ones are kept.
    front: dict[int, tuple[float, tuple[int, ...]]] = {0: (0.0, ())}
    for key, by_width in losses.items():
        grown: dict[int, tuple[float, tuple[int, ...]]] = {}
        for (spent, (loss, chosen)), (width, added) in (
            (entry, choice) for entry in front.items() for choice in by_width.items()
        ):
            bits = spent + width * sizes[key]
            if bits <= budget and loss + added < grown.get(bits, (math.inf,))[0]:
                grown[bits] = (loss + added, (*chosen, width))
        front = _pareto(grown)
    _, widths = min(front.values())
    return dict(zip(losses, widths, strict=True))


def _pareto(entries: dict[int, tuple[float, tuple[int, ...]]]) -> dict[int, tuple[float, tuple[int, ...]]]:
    kept, best = {}, math.inf
    for bits in sorted(entries):
        if entries[bits][0] < best:
            kept[bits], best = entries[bits], entries[bits][0]
    return kept


def with_widths(model: QuantizedModel, widths: Mapping[str, int]) -> QuantizedModel:
    """A copy whose weights have these widths, by layer key, each binary point at its best position."""
    result = copy.deepcopy(model)
    layers = plain_layers(result)
    for key, width in widths.items():
        layers[key].weight_quantizer = _with_width(layers[key].weight_quantizer, layers[key].weight, width)
    return result


def _with_width(quantizer: Quantizer, weight: Tensor, width: int) -> Quantizer:
    """A copy of another width, its binary points where `weight` loses least."""
    result = copy.deepcopy(quantizer)
    result.word = Word(width, quantizer.word.signed)
    with torch.no_grad():
        result.move_to_best(weight)
    return result


def mixed_precision(
    model: QuantizedModel,
    twin: QuantizedModel,
    data: Tensor,
    budget: int | None = None,
    widths: Sequence[int] | None = None,
) -> tuple[QuantizedModel, dict[str, int]]:
    """A copy with the best width for each layer's weights, and the widths by layer key.

    Args:
        model: quantised; left as it is.
        twin: `float_twin` of the model.
        data: float[B, ...].
        budget: bits of all weights together; None means as many as the model has.
        widths: to choose from; None means from two bits below the narrowest to two above the widest, at least 2.

    Raises:
        RecipeError: even the smallest widths exceed the budget, or the spec gives the weights of a layer a word.
    """
    given = [key for key, options in model.spec.layers.items() if "weights" in options]
    if given:
        raise RecipeError(
            f"Mixed precision chooses the width of all weights, but layers[{given[0]!r}] gives weights="
            f"{model.spec.layers[given[0]]['weights']!r}; leave one of them out."
        )
    layers = plain_layers(model)
    held = {key: layer.weight_quantizer.word.width for key, layer in layers.items()}
    sizes = {key: layer.weight.numel() for key, layer in layers.items()}
    total = sum(held[key] * sizes[key] for key in held) if budget is None else budget
    chosen = range(max(2, min(held.values()) - 2), max(held.values()) + 3) if widths is None else widths
    allocated = allocate(sensitivities(model, twin, data, chosen), sizes, total)
    return with_widths(model, allocated), allocated
