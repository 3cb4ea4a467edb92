"""The layer list of an hls4ml design while it grows, and how a value lies in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from flow.exporters.hls.types import fixed_type
from flow.ir import Graph, Node, Value

__all__ = ["Layer", "Nodes", "Plan", "is_image", "layer_shape", "value_type"]

Nodes = list[Node]


@dataclass(frozen=True, slots=True)
class Layer:
    """One entry of hls4ml's layer list.

    Attributes:
        name: unique, legal in C++.
        kind: hls4ml's class.
        inputs: names of earlier layers.
        precision: the type of each of the layer's variables, as hls4ml reads it.
        attributes: what else hls4ml wants to know.
    """

    name: str
    kind: str
    inputs: tuple[str, ...]
    precision: dict[str, str]
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Plan:
    """The layer list while it grows.

    Attributes:
        graph: in hls4ml's operators, see `rewrite`.
        names: an identifier for every node.
        layers: in order.
        holder: the layer that holds the value of a node, by node.
        plain: the layer that holds an image as [C, H, W], where there is one, by node.
        outputs: the layers that leave the design.
    """

    graph: Graph
    names: dict[str, str]
    layers: list[Layer] = field(default_factory=list)
    holder: dict[str, Layer] = field(default_factory=dict)
    plain: dict[str, Layer] = field(default_factory=dict)
    outputs: list[str] = field(default_factory=list)

    @property
    def source(self) -> Layer:
        """The layer through which the inputs come."""
        name = self.graph.input.name
        return self.plain.get(name, self.holder[name])

    def add(self, name: str, kind: str, inputs: tuple[str, ...], result: str, **attributes: Any) -> Layer:
        """One more layer with a result type only."""
        return self.put(Layer(name, kind, inputs, {"result": result}, attributes))

    def put(self, layer: Layer) -> Layer:
        """One more layer."""
        self.layers.append(layer)
        return layer


def value_type(value: Value) -> str:
    """The ap_fixed type of a value."""
    return fixed_type(value.format)


def is_image(value: Value) -> bool:
    """Whether hls4ml keeps the value as [H, W, C]."""
    return len(value.shape) == 3


def layer_shape(value: Value) -> list[int]:
    """The value's shape as hls4ml has it."""
    return [*value.shape[1:], value.shape[0]] if is_image(value) else list(value.shape)
