"""What all operators share, and the input."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar

from flow.errors import GraphError
from flow.formats import FixedPoint
from flow.ir.value import Tensor, Value

__all__ = ["AlongAxis", "Input", "Node", "Pair"]

Pair = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One operation that makes one value, which is called by the node's name.

    Attributes:
        name: unique in the graph.
        inputs: names of earlier nodes.
        origin: module path in the user's model, for messages.
    """

    op: ClassVar[str] = ""
    arity: ClassVar[int | None] = 1  # inputs that it takes; None for any number from one on

    name: str
    inputs: tuple[str, ...] = ()
    origin: str = ""

    def infer(self, *inputs: Value) -> Value:
        """The type of the result.

        Raises:
            GraphError: the inputs do not fit the attributes.
        """
        raise GraphError(f"Operator {type(self).__name__} has no type rule.")

    def partial_bound(self, *inputs: Value) -> int:
        """A magnitude that nothing on the way to the result exceeds, in whatever order terms are taken.

        Each number counts in units of its own last place; 0 where the ranges of inputs and result bound it already.
        """
        return 0

    def tensors(self) -> dict[str, Tensor]:
        """The constants of the node by field name."""
        held = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in held.items() if isinstance(value, Tensor)}

    def _reject(self, rule: str) -> GraphError:
        place = f" (from {self.origin!r})" if self.origin else ""
        return GraphError(f"{type(self).__name__} {self.name!r}{place}: {rule}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class AlongAxis(Node):
    """What operators along one axis share.

    Attributes:
        axis: which one, from 0, the batch not counted.
    """

    axis: int

    def check_axis(self, x: Value) -> None:
        """Refuse an axis that the input lacks."""
        if not 0 <= self.axis < len(x.shape):
            raise self._reject(f"axis {self.axis} is none of the input's {len(x.shape)} axes {x.shape}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Input(Node):
    """What the host sends: any code of `format`."""

    op: ClassVar[str] = "input"
    arity: ClassVar[int | None] = 0

    shape: tuple[int, ...]
    format: FixedPoint

    def infer(self, *inputs: Value) -> Value:
        return Value(self.shape, self.format, self.format.low, self.format.high)
