"""BatchNorm into the layer before it: `w' = w * s`, `b' = b * s + t` with `s = gamma / sqrt(variance + eps)`."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from flow.errors import UnsupportedError
from flow.training.calls import BatchNorm, Call, Network, Weighted

__all__ = ["fold_batchnorm", "scale_and_shift"]


def scale_and_shift(call: BatchNorm, state: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """What a BatchNorm multiplies by and adds, float[C] each."""
    mean, variance = state[call.mean], state[call.variance]
    gamma = torch.ones_like(mean) if call.gamma is None else state[call.gamma]
    beta = torch.zeros_like(mean) if call.beta is None else state[call.beta]
    scale = gamma / torch.sqrt(variance + call.eps)
    return scale, beta - mean * scale


def _check(network: Network) -> None:
    made = {call.name: call for call in network.calls}
    readers = network.consumers()
    weights = [call.weight for call in network.calls if isinstance(call, Weighted)]
    for call in network.calls:
        if not isinstance(call, BatchNorm):
            continue
        before = made.get(call.inputs[0])
        alone = isinstance(before, Weighted) and len(readers[before.name]) == 1 and weights.count(before.weight) == 1
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
    calls, weighted = dict[str, Call](), dict[str, Weighted]()
    for original in network.calls:
        call = replace(original, inputs=tuple(moved.get(name, name) for name in original.inputs))
        if isinstance(call, BatchNorm):
            before, constants = _folded(weighted[call.inputs[0]], call, state)
            state.update(constants)
            calls[before.name], moved[call.name] = before, before.name
        else:
            calls[call.name] = call
        if isinstance(call, Weighted):
            weighted[call.name] = call
    return Network(tuple(calls.values()), moved.get(network.output, network.output), state)


def _folded(before: Weighted, norm: BatchNorm, state: dict[str, Tensor]) -> tuple[Weighted, dict[str, Tensor]]:
    scale, shift = scale_and_shift(norm, state)
    weight = state[before.weight]
    bias = before.bias or f"{before.name}.bias"
    constants = {
        before.weight: weight * scale.reshape(-1, *([1] * (weight.ndim - 1))),
        bias: shift if before.bias is None else state[bias] * scale + shift,
    }
    return replace(before, bias=bias, paths=(*before.paths, *norm.paths)), constants
