"""How a quantised model runs: step by step, and a ReLU with the cast that follows it in one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from flow.training.fracs import AtPoint, Frac
from flow.training.layers import Cast, FixedRelu
from flow.training.quantizer import untouched

__all__ = ["Step", "joined", "rectified_casts", "run"]

Layers = Mapping[str, nn.Module]


@dataclass(frozen=True, slots=True)
class Step:
    """One value: which layer makes it from which earlier values.

    Attributes:
        name: of the value, and of the node in the graph.
        layer: key in `QuantizedModel.layers`; two steps share a layer where the user's model calls one twice.
        inputs: indices of earlier steps.
        origin: module path in the user's model.
    """

    name: str
    layer: str
    inputs: tuple[int, ...]
    origin: str


def rectified_casts(steps: tuple[Step, ...], layers: Layers, outputs: tuple[int, ...]) -> dict[int, int]:
    """Indices of the casts that follow a ReLU, by those of the ReLUs that nothing else reads."""
    readers: dict[int, list[int]] = {index: [] for index in range(len(steps))}
    for at, step in enumerate(steps):
        for index in step.inputs:
            readers[index].append(at)
    lone = {index: found[0] for index, found in readers.items() if len(found) == 1 and index not in outputs}
    return {
        relu: cast
        for relu, cast in lone.items()
        if type(layers[steps[relu].layer]) is FixedRelu and type(layers[steps[cast].layer]) is Cast
    }


def joined(pairs: dict[int, int], steps: tuple[Step, ...], layers: Layers) -> dict[int, int]:
    """Those of `rectified_casts` whose two layers nobody watches or has changed, so that they may run as one."""
    if torch.compiler.is_compiling():
        return {}
    return {
        relu: cast
        for relu, cast in pairs.items()
        if untouched(layers[steps[relu].layer], FixedRelu) and untouched(layers[steps[cast].layer], Cast)
    }


def run(steps: tuple[Step, ...], layers: Layers, x: Tensor, placed: bool, joins: dict[int, int]) -> list[Tensor]:
    """The value of every step.

    Args:
        steps: the program.
        layers: by their keys.
        x: the input.
        placed: whether a layer must know where its input's binary point stands.
        joins: from `joined`; the value of such a ReLU is that of its input, and the cast does its work.
    """
    done: list[Tensor] = []
    points: list[Frac] = []
    casts = set(joins.values())
    for index, step in enumerate(steps):
        layer: Any = layers[step.layer]
        inputs = [done[at] for at in step.inputs] or [x]
        given = [points[at] for at in step.inputs] if placed else []
        if index in joins:
            done.append(inputs[0])
        elif index in casts:
            done.append(layer.rectified(inputs[0]))
        else:
            done.append(layer(*inputs, *given) if isinstance(layer, AtPoint) else layer(*inputs))
        if placed:  # after the layer, which while calibrating moves its point
            points.append(layer.point(*given))
    return done
