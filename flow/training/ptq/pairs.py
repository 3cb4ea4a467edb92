"""Pairs of layers between which a positive factor per channel can move without changing what the network computes.

A producer (Linear, Conv2d, BatchNorm) divides its channel by the factor, the only reader of its value (Linear, Conv2d,
BatchNorm) multiplies by it; what stands between (ReLU, pooling, Flatten, and what keeps the channels: a reshape,
padding, upsampling) is homogeneous: f(x / s) = f(x) / s.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from flow.training.calls import (
    AvgPool2d,
    BatchNorm,
    Call,
    Flatten,
    MaxPool2d,
    Network,
    Pad,
    Relu,
    Weighted,
    keeps_channels,
)
from flow.training.fold import scale_and_shift

__all__ = ["Pair", "consumer_range", "positive", "producer_range", "rescaled", "scalable_pairs"]

_HOMOGENEOUS = (Relu, MaxPool2d, AvgPool2d, Flatten)

State = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Pair:
    """One place where factors can move.

    Attributes:
        producer: the call whose channels are divided.
        consumer: the call that multiplies its inputs.
        channels: how many factors there are.
    """

    producer: Call
    consumer: Call
    channels: int


def _keys(call: Call) -> list[str]:
    """The constants that a rescaling of the call writes."""
    if isinstance(call, BatchNorm):
        return [key for key in (call.mean, call.gamma, call.beta) if key is not None]
    return [key for key in (getattr(call, "weight", None), getattr(call, "bias", None)) if key is not None]


def _own(call: Call, uses: dict[str, int]) -> bool:
    """Whether the call can be rescaled: it holds constants, and no other call reads them."""
    if isinstance(call, BatchNorm) and (call.gamma is None or call.beta is None):
        return False
    return isinstance(call, Weighted | BatchNorm) and all(uses[key] == 1 for key in _keys(call))


def scalable_pairs(network: Network) -> tuple[Pair, ...]:
    """Every pair, in order of computation."""
    readers = network.consumers()
    uses: dict[str, int] = {}
    for call in network.calls:
        for key in _keys(call):
            uses[key] = uses.get(key, 0) + 1
    found = []
    for producer in (call for call in network.calls if _own(call, uses)):
        consumer, channels = _only_reader(producer, readers, network.outputs), _channels(producer, network.state)
        if consumer is None or not _own(consumer, uses):
            continue
        # Behind a Flatten a BatchNorm has a constant for each place of a channel.
        if isinstance(consumer, Weighted) or _channels(consumer, network.state) == channels:
            found.append(Pair(producer, consumer, channels))
    return tuple(found)


def _channels(call: Call, state: State) -> int:
    return len(state[_keys(call)[0]])


def _only_reader(call: Call, readers: dict[str, list[Call]], outputs: tuple[str, ...]) -> Call | None:
    """Who reads the value behind what stands between a pair, if it is one call and nobody else sees the value."""
    while call.name not in outputs and len(readers[call.name]) == 1:
        before, call = call, readers[call.name][0]
        padded = isinstance(call, Pad) and call.shape[0] == before.shape[0]
        if not (isinstance(call, _HOMOGENEOUS) or padded or keeps_channels(call, before)):
            return call
    return None


def _columns(call: Weighted, weight: Tensor, channels: int) -> Tensor:
    """The weight as [G, O/G, C/G, rest]: input channel c stands at group c // (C/G); a Flatten repeats it in `rest`."""
    groups = getattr(call, "groups", 1)
    return weight.reshape(groups, weight.shape[0] // groups, channels // groups, -1)


def _weighted_range(call: Weighted, state: State) -> Tensor:
    return state[call.weight].abs().flatten(1).amax(1)


def _norm_range(call: BatchNorm, state: State) -> Tensor:
    return scale_and_shift(call, state)[0].abs()


def _divide_weighted(call: Weighted, state: State, factors: Tensor) -> State:
    weight = state[call.weight]
    changed = {call.weight: weight / factors.reshape(-1, *([1] * (weight.ndim - 1)))}
    return changed if call.bias is None else {**changed, call.bias: state[call.bias] / factors}


def _divide_norm(call: BatchNorm, state: State, factors: Tensor) -> State:
    return {key: state[key] / factors for key in (call.gamma, call.beta) if key is not None}


def _multiply_weighted(call: Weighted, state: State, factors: Tensor) -> State:
    weight = state[call.weight]
    columns = _columns(call, weight, len(factors))
    by_group = factors.reshape(columns.shape[0], 1, -1, 1)
    return {call.weight: (columns * by_group).reshape(weight.shape)}


def _multiply_norm(call: BatchNorm, state: State, factors: Tensor) -> State:
    # (x' s - mean) / std * gamma = (x' - mean / s) / std * (gamma s)
    changed = {call.mean: state[call.mean] / factors}
    return changed if call.gamma is None else {**changed, call.gamma: state[call.gamma] * factors}


def _kind(call: Call) -> type[Call]:
    return Weighted if isinstance(call, Weighted) else type(call)


_RANGE: dict[type[Call], Callable[[Any, State], Tensor]] = {Weighted: _weighted_range, BatchNorm: _norm_range}
_DIVIDE: dict[type[Call], Callable[[Any, State, Tensor], State]] = {
    Weighted: _divide_weighted,
    BatchNorm: _divide_norm,
}
_MULTIPLY: dict[type[Call], Callable[[Any, State, Tensor], State]] = {
    Weighted: _multiply_weighted,
    BatchNorm: _multiply_norm,
}


def producer_range(pair: Pair, state: State) -> Tensor:
    """The largest magnitude of what makes each channel, float[C]: a row of weights, or a BatchNorm's scale."""
    return _RANGE[_kind(pair.producer)](pair.producer, state)


def consumer_range(pair: Pair, state: State) -> Tensor:
    """The largest magnitude of what reads each channel, float[C]."""
    if isinstance(pair.consumer, Weighted):
        columns = _columns(pair.consumer, state[pair.consumer.weight], pair.channels)
        return columns.abs().amax((1, 3)).flatten()
    return producer_range(Pair(pair.consumer, pair.consumer, pair.channels), state)


def rescaled(network: Network, pair: Pair, factors: Tensor) -> Network:
    """The network with each channel of the pair's producer divided, and of its consumer multiplied, by a factor.

    Args:
        network: left as it is.
        pair: of this network.
        factors: positive, float[C]; powers of two change no bit of the network's result.
    """
    divided = _DIVIDE[_kind(pair.producer)](pair.producer, network.state, factors)
    multiplied = _MULTIPLY[_kind(pair.consumer)](pair.consumer, network.state, factors)
    return Network(network.calls, network.outputs, {**network.state, **divided, **multiplied})


def positive(factors: Tensor) -> Tensor:
    """`factors` with 1 where a channel is empty or its factor is not a positive number."""
    usable = torch.isfinite(factors) & (factors > 0)
    return torch.where(usable, factors, torch.ones_like(factors))
