"""The same codes in another order or shape."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from flow.ir.ops.node import Node
from flow.ir.value import Value

__all__ = ["Flatten", "Reshape"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flatten(Node):
    """The same codes as one axis, in row-major order."""

    op: ClassVar[str] = "flatten"

    def infer(self, *inputs: Value) -> Value:
        (x,) = inputs
        return Value((x.size,), x.format, x.low, x.high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reshape(Node):
    """The same codes in the same row-major order under another shape."""

    op: ClassVar[str] = "reshape"

    shape: tuple[int, ...]

    def infer(self, *inputs: Value) -> Value:
        (x,) = inputs
        if math.prod(self.shape) != x.size or min(self.shape, default=1) < 1:
            raise self._reject(f"the {x.size} codes of {x.shape} do not fill the shape {self.shape}")
        return Value(self.shape, x.format, x.low, x.high)
