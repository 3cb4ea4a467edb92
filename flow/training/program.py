"""How a quantised model runs: step by step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from flow.training.fracs import AtPoint, Frac

__all__ = ["Layers", "Shortcuts", "Step", "run"]

Layers = Mapping[str, nn.Module]
Shortcuts = Mapping[int, Callable[[Tensor], Tensor]]


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


def run(steps: tuple[Step, ...], layers: Layers, x: Tensor, placed: bool, shortcuts: Shortcuts) -> list[Tensor]:
    """The value of every step.

    Args:
        steps: the program.
        layers: by their keys.
        x: the input.
        placed: whether a layer must know where its input's binary point stands.
        shortcuts: by the index of a step what makes its value, or one that serves those who read it, instead of a call
            of its layer.
    """
    done: list[Tensor] = []
    points: list[Frac] = []
    for index, step in enumerate(steps):
        layer: Any = layers[step.layer]
        inputs = [done[at] for at in step.inputs] or [x]
        given = [points[at] for at in step.inputs] if placed else []
        if index in shortcuts:
            done.append(shortcuts[index](*inputs))
        else:
            done.append(layer(*inputs, *given) if isinstance(layer, AtPoint) else layer(*inputs))
        if placed:  # after the layer, which while calibrating moves its point
            points.append(layer.point(*given))
    return done
