"""BatchNorm into the layer before it: `w' = w * s`, `b' = b * s + t` with `s = gamma / sqrt(variance + eps)`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from flow.errors import UnsupportedError
from flow.training.calls import BatchNorm, Call, Network, Weighted, keeps_channels

__all__ = ["fold_batchnorm", "scale_and_shift"]


def scale_and_shift(call: BatchNorm, state: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """What a BatchNorm multiplies by and adds, float[C] each."""
    mean, variance = state[call.mean], state[call.variance]
    gamma = torch.ones_like(mean) if call.gamma is None else state[call.gamma]
    beta = torch.zeros_like(mean) if call.beta is None else state[call.beta]
    scale = gamma / torch.sqrt(variance + call.eps)
    return scale, beta - mean * scale


def _reshaped(calls: dict[str, Call], name: str) -> list[Call]:
    """The call that made the value `name`, and those before it as far as they only reshape and keep the channels."""
    found = [calls[name]] if name in calls else []
    while found and found[-1].inputs[0] in calls and keeps_channels(found[-1], calls[found[-1].inputs[0]]):
        found.append(calls[found[-1].inputs[0]])
    return found


def _check(network: Network) -> None:
    made = {call.name: call for call in network.calls}
    readers = network.consumers()
    weights = [call.weight for call in network.calls if isinstance(call, Weighted)]
    for call in network.calls:
        if not isinstance(call, BatchNorm):
            continue
        chain = _reshaped(made, call.inputs[0])
        before = chain[-1] if all(len(readers[held.name]) == 1 for held in chain) and chain else None
        seen = any(held.name in network.outputs for held in chain)
        alone = isinstance(before, Weighted) and weights.count(before.weight) == 1 and not seen
        if not alone:
            raise UnsupportedError(
                f"BatchNorm {call.name!r} cannot be folded: it does not follow a Linear or Conv2d that is used nowhere "
                "else; choose batchnorm='fixed'."
            )


def fold_batchnorm(network: Network) -> Network:
    """The same network without BatchNorm; the layer before takes over scale, shift and position.

    Raises:
        UnsupportedError: a BatchNorm does not directly follow a Linear or Conv2d of its own.
    """
    _check(network)
    state, moved = dict(network.state), dict[str, str]()
    calls = dict[str, Call]()
    for original in network.calls:
        call = replace(original, inputs=tuple(moved.get(name, name) for name in original.inputs))
        if isinstance(call, BatchNorm):
            before = _reshaped(calls, call.inputs[0])[-1]
            folded, constants = _folded(before, call, state)
            state.update(constants)
            calls[folded.name], moved[call.name] = folded, call.inputs[0]
        else:
            calls[call.name] = call
    return Network(tuple(calls.values()), tuple(moved.get(name, name) for name in network.outputs), state)


def _folded(before: Any, norm: BatchNorm, state: dict[str, Tensor]) -> tuple[Weighted, dict[str, Tensor]]:
    scale, shift = scale_and_shift(norm, state)
    weight = state[before.weight]
    bias = before.bias or f"{before.name}.bias"
    constants = {
        before.weight: weight * scale.reshape(-1, *([1] * (weight.ndim - 1))),
        bias: shift if before.bias is None else state[bias] * scale + shift,
    }
    return replace(before, bias=bias, paths=(*before.paths, *norm.paths)), constants
