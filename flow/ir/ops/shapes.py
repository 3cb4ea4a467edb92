"""The same codes in another order or shape, and several values as one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from flow.ir.ops.node import AlongAxis, Node
from flow.ir.value import Value

__all__ = ["Concat", "Flatten", "Reshape", "Slice", "Transpose", "keeps_order"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Concat(AlongAxis):
    """The inputs one after another along an axis, each as `y = x << (F - Fx)` with `F` the most that one of them has.

    Attributes:
        axis: which one, from 0, the batch not counted; the inputs agree in all others.
    """

    op: ClassVar[str] = "concat"
    arity: ClassVar[int | None] = None

    def infer(self, *inputs: Value) -> Value:
        frac = max(value.format.frac for value in inputs)
        low = min(value.low << (frac - value.format.frac) for value in inputs)
        high = max(value.high << (frac - value.format.frac) for value in inputs)
        return Value.exact(self._joined_shape(inputs), frac, low, high)

    def _joined_shape(self, inputs: tuple[Value, ...]) -> tuple[int, ...]:
        shapes = [value.shape for value in inputs]
        self.check_axis(inputs[0])
        before, after = shapes[0][: self.axis], shapes[0][self.axis + 1 :]
        for shape in shapes:
            if len(shape) != len(shapes[0]) or (shape[: self.axis], shape[self.axis + 1 :]) != (before, after):
                raise self._reject(f"input shapes {shapes[0]} and {shape} differ along other axes than {self.axis}")
        return (*before, sum(shape[self.axis] for shape in shapes), *after)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice(Node):
    """Along every axis the codes at `start, start + step, ...` below `stop`.

    Attributes:
        starts: the first place of each axis of a sample.
        stops: the place after the last one, at most the size of the axis.
        steps: at least 1.
    """

    op: ClassVar[str] = "slice"

    starts: tuple[int, ...]
    stops: tuple[int, ...]
    steps: tuple[int, ...]

    def infer(self, *inputs: Value) -> Value:
        (x,) = inputs
        if not len(self.starts) == len(self.stops) == len(self.steps) == len(x.shape):
            raise self._reject(f"its starts, stops and steps are not as many as the {len(x.shape)} axes of {x.shape}")
        for axis, (start, stop, step) in enumerate(zip(self.starts, self.stops, self.steps, strict=True)):
            if not (0 <= start < stop <= x.shape[axis] and step >= 1):
                raise self._reject(f"{start}:{stop}:{step} picks nothing of the {x.shape[axis]} places of axis {axis}")
        return Value(tuple(len(places) for places in self.places()), x.format, x.low, x.high)

    def places(self) -> tuple[range, ...]:
        """Which places of the input the result has, along each axis."""
        return tuple(map(range, self.starts, self.stops, self.steps))


@dataclass(frozen=True, slots=True, kw_only=True)
class Transpose(Node):
    """The axes in another order.

    Attributes:
        order: for every axis of the result the axis of the input, from 0, the batch not counted.
    """

    op: ClassVar[str] = "transpose"

    order: tuple[int, ...]

    def infer(self, *inputs: Value) -> Value:
        (x,) = inputs
        if sorted(self.order) != list(range(len(x.shape))):
            raise self._reject(f"the order {self.order} is not one of the {len(x.shape)} axes of {x.shape}")
        return Value(tuple(x.shape[axis] for axis in self.order), x.format, x.low, x.high)


def keeps_order(shape: tuple[int, ...], order: tuple[int, ...]) -> bool:
    """Whether a transposition moves axes of size 1 only, so that the codes stay where they are.

    >>> keeps_order((3, 1, 4), (1, 0, 2)), keeps_order((3, 2), (1, 0))
    (True, False)
    """
    moved = [axis for axis in order if shape[axis] > 1]
    return moved == sorted(moved)
