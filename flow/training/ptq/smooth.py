"""SmoothQuant (2211.10438) with powers of two: difficult channels move from activations to weights, or back.

Also LLM-FP4's pre-shifted exponents (2310.16836): a small exponent per input channel, folded into the weights' rows.
Factors are powers of two, so that the float network computes the same bits before and after.
"""

from __future__ import annotations

import torch
from torch import Tensor

from flow.errors import RecipeError
from flow.training.calls import Network
from flow.training.points import power_of_two
from flow.training.ptq.pairs import Pair, consumer_range, positive, rescaled, scalable_pairs
from flow.training.ptq.reference import float_twin, step_values
from flow.training.quantize import quantize_network
from flow.training.spec import Spec

__all__ = ["channel_exponents", "fold_channel_exponents", "smooth"]

_FAR = 32  # octaves that a channel moves at most


def _powers(factors: Tensor) -> Tensor:
    return power_of_two(positive(factors).log2().round().clamp(-_FAR, _FAR), factors.dtype)


def _maxima(network: Network, data: Tensor, spec: Spec) -> dict[str, Tensor]:
    """The largest magnitude of each channel of every value of the float network, by the value's name."""
    values = step_values(float_twin(quantize_network(network, data, spec)), data)
    return {name: value.abs().transpose(0, 1).flatten(1).amax(1) for name, value in values.items()}


def _activation(pair: Pair, maxima: dict[str, Tensor]) -> Tensor:
    """The maxima of the pair's channels where the consumer reads them; a Flatten made several values of a channel."""
    return maxima[pair.consumer.inputs[0]].reshape(pair.channels, -1).amax(1)


def smooth(network: Network, data: Tensor, spec: Spec, alpha: float = 0.5) -> Network:
    """Factors `2**round(log2(max|x|**alpha / max|w|**(1 - alpha)))` per channel, wherever a pair can absorb them.

    Args:
        network: float; left as it is.
        data: float[B, ...], on which the activations are measured.
        spec: of the model to be; says where values lie.
        alpha: how much of the difficulty moves to the weights, 0..1.

    Raises:
        RecipeError: alpha is not in 0..1.
    """
    if not 0.0 <= alpha <= 1.0:
        raise RecipeError(f"SmoothQuant's alpha must lie in 0..1, not at {alpha}.")
    maxima = _maxima(network, data, spec)
    for pair in scalable_pairs(network):
        weights = consumer_range(pair, network.state)
        network = rescaled(network, pair, _powers(_activation(pair, maxima) ** alpha / weights ** (1.0 - alpha)))
    return network


def channel_exponents(maxima: Tensor, exponent_bits: int) -> Tensor:
    """How many doublings bring each channel near the largest one: int64[C] in 0..2**exponent_bits - 1.

    `clip(round(b_j - rho), 0, 2**e - 1)` of LLM-FP4, where a channel's real bias b_j differs from the tensor's rho by
    `log2(max over channels / max of channel j)`. Rounded down instead, so that no channel grows beyond the largest.

    >>> channel_exponents(torch.tensor([8.0, 3.0, 0.5, 0.0]), 2).tolist()
    [0, 1, 3, 3]
    """
    ratio = maxima.max() / maxima
    shifts = torch.nan_to_num(ratio, nan=1.0, posinf=2.0**64).log2().floor()
    return shifts.clamp(0, 2**exponent_bits - 1).to(torch.int64)


def fold_channel_exponents(network: Network, data: Tensor, spec: Spec, exponent_bits: int = 2) -> Network:
    """Each channel of a pair is doubled `channel_exponents` times, and its weights halved as often.

    Args:
        network: float; left as it is. Its result keeps every bit.
        data: float[B, ...], on which the activations are measured.
        spec: of the model to be.
        exponent_bits: of the exponent that a channel may have, 0..5.

    Raises:
        RecipeError: the exponent bits are not in 0..5.
    """
    if not 0 <= exponent_bits <= 5:
        raise RecipeError(f"Exponents of channels have 0..5 bits, not {exponent_bits}.")
    maxima = _maxima(network, data, spec)
    for pair in scalable_pairs(network):
        exponents = channel_exponents(_activation(pair, maxima), exponent_bits)
        network = rescaled(network, pair, power_of_two(-exponents, maxima[pair.consumer.inputs[0]].dtype))
    return network
