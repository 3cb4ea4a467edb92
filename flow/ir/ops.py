"""The operators: one frozen dataclass each. Attributes are data; `infer` is the type rule and gives exact ranges.

Every operator is exact: results are as wide as they need, and only `Requantize` ever loses a bit.
In the formulas `F` is the number of fractional bits of a value and all letters stand for integer codes.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from flow.errors import GraphError
from flow.formats import FixedPoint, Overflow, Rounding, cast
from flow.ir.value import Tensor, Value

__all__ = [
    "OPERATORS",
    "Add",
    "ArgMax",
    "AvgPool2d",
    "Conv2d",
    "Dense",
    "Flatten",
    "Input",
    "Linear",
    "MaxPool2d",
    "Node",
    "Relu",
    "Requantize",
    "ScaleShift",
    "pooled_shape",
]

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
    arity: ClassVar[int] = 1

    name: str
    inputs: tuple[str, ...] = ()
    origin: str = ""

    def infer(self, *inputs: Value) -> Value:
        """The type of the result.

        Raises:
            GraphError: the inputs do not fit the attributes.
        """
        raise GraphError(f"Operator {type(self).__name__} has no type rule.")

    def tensors(self) -> dict[str, Tensor]:
        """The constants of the node by field name."""
        held = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in held.items() if isinstance(value, Tensor)}

    def _reject(self, rule: str) -> GraphError:
        place = f" (from {self.origin!r})" if self.origin else ""
        return GraphError(f"{type(self).__name__} {self.name!r}{place}: {rule}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Input(Node):
    """What the host sends: any code of `format`."""

    op: ClassVar[str] = "input"
    arity: ClassVar[int] = 0

    shape: tuple[int, ...]
    format: FixedPoint

    def infer(self, *inputs: Value) -> Value:
        return Value(self.shape, self.format, self.format.low, self.format.high)


def _dot_range(weight: NDArray[np.int64], x: Value, padded: bool) -> tuple[list[int], list[int]]:
    """Exact lowest and highest sum per output row of `weight` (int64[O, K]) over inputs anywhere in their range."""
    low, high = (min(x.low, 0), max(x.high, 0)) if padded else (x.low, x.high)
    positive = np.maximum(weight, 0).sum(axis=1).tolist()
    negative = np.minimum(weight, 0).sum(axis=1).tolist()
    lows = [p * low + n * high for p, n in zip(positive, negative, strict=True)]
    highs = [p * high + n * low for p, n in zip(positive, negative, strict=True)]
    return lows, highs


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear(Node):
    """What Dense and Conv2d share: a weight, an optional bias, and sums of products.

    `y = (sum w*x) << (F - Fw - Fx)  +  b << (F - Fb)` with `F = max(Fw + Fx, Fb)`; without a bias `F = Fw + Fx`.

    Attributes:
        weight: codes int64[O, ...], one leading row per output channel.
        bias: codes int64[O], or None.
    """

    weight: Tensor
    bias: Tensor | None = None

    def frac(self, x: Value) -> int:
        """Fractional bits of the result."""
        product = x.format.frac + self.weight.format.frac
        return product if self.bias is None else max(product, self.bias.format.frac)

    def product_shift(self, x: Value) -> int:
        """How far the sum of products moves left to meet the bias."""
        return self.frac(x) - x.format.frac - self.weight.format.frac

    def bias_codes(self, x: Value) -> NDArray[np.int64]:
        """The bias at the result's binary point, int64[O]; zeros where there is none."""
        if self.bias is None:
            return np.zeros(self.weight.shape[0], dtype=np.int64)
        return self.bias.codes << (self.frac(x) - self.bias.format.frac)

    def partial_bound(self, x: Value) -> int:
        """A magnitude that no partial sum exceeds, in whatever order the terms are added, bias included."""
        rows = np.abs(self.weight.codes.reshape(self.weight.shape[0], -1)).sum(axis=1)
        largest = max(abs(x.low), abs(x.high))
        biases, lift = np.abs(self.bias_codes(x)).tolist(), self.product_shift(x)
        return max((int(row) * largest << lift) + int(bias) for row, bias in zip(rows.tolist(), biases, strict=True))

    def _result(self, x: Value, shape: tuple[int, ...], padded: bool) -> Value:
        if self.bias is not None and self.bias.shape != self.weight.shape[:1]:
            raise self._reject(f"bias shape {self.bias.shape} is not ({self.weight.shape[0]},)")
        lows, highs = _dot_range(self.weight.codes.reshape(self.weight.shape[0], -1), x, padded)
        shift, biases = self.product_shift(x), self.bias_codes(x).tolist()
        low = min((v << shift) + b for v, b in zip(lows, biases, strict=True))
        high = max((v << shift) + b for v, b in zip(highs, biases, strict=True))
        return Value.exact(shape, self.frac(x), low, high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dense(Linear):
    """`y[o] = sum_i w[o, i] x[i] + b[o]`; weight int64[O, I], input [I], result [O]."""

    op: ClassVar[str] = "dense"

    def infer(self, *inputs: Value) -> Value:
        (x,) = inputs
        if len(self.weight.shape) != 2 or x.shape != self.weight.shape[1:]:
            raise self._reject(f"weight shape {self.weight.shape} does not match input shape {x.shape}")
        return self._result(x, self.weight.shape[:1], padded=False)


def pooled_shape(shape: tuple[int, ...], kernel: Pair, stride: Pair, padding: Pair = (0, 0)) -> Pair:
    """Height and width after a window slid over the last two axes of `shape`."""
    sizes = zip(shape[-2:], kernel, stride, padding, strict=True)
    height, width = ((size + 2 * p - k) // s + 1 for size, k, s, p in sizes)
    return height, width


@dataclass(frozen=True, slots=True, kw_only=True)
class Conv2d(Linear):
    """Cross-correlation with zero padding; weight int64[O, I/groups, kh, kw], input [I, H, W], result [O, H', W']."""

    op: ClassVar[str] = "conv2d"

    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    groups: int = 1

    @property
    def kernel(self) -> Pair:
        """Height and width of the window."""
        return self.weight.shape[2], self.weight.shape[3]

    def infer(self, *inputs: Value) -> Value:
        (x,) = inputs
        if len(self.weight.shape) != 4 or len(x.shape) != 3 or x.shape[0] != self.weight.shape[1] * self.groups:
            raise self._reject(
                f"weight shape {self.weight.shape} with groups={self.groups} does not match input {x.shape}"
            )
        if self.weight.shape[0] % self.groups:
            raise self._reject(f"groups={self.groups} does not divide {self.weight.shape[0]} output channels")
        shape = (self.weight.shape[0], *pooled_shape(x.shape, self.kernel, self.stride, self.padding))
        if min(shape) < 1:
            raise self._reject(f"the {self.kernel} window does not fit the input {x.shape}")
        return self._result(x, shape, padded=any(self.padding))


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaleShift(Node):
    """BatchNorm as hardware has it: `y[c] = (s[c] x[c]) << (F - Fs - Fx) + t[c] << (F - Ft)`, `F = max(Fs + Fx, Ft)`.

    Attributes:
        scale: codes int64[C].
        shift: codes int64[C].
    """

    op: ClassVar[str] = "scale_shift"

    scale: Tensor
    shift: Tensor

    def frac(self, x: Value) -> int:
        """Fractional bits of the result."""
        return max(x.format.frac + self.scale.format.frac, self.shift.format.frac)

    def product_shift(self, x: Value) -> int:
        """How far the products move left to meet the shift term."""
        return self.frac(x) - x.format.frac - self.scale.format.frac

    def shift_codes(self, x: Value) -> NDArray[np.int64]:
        """The shift term at the result's binary point, int64[C]."""
        return self.shift.codes << (self.frac(x) - self.shift.format.frac)

    def infer(self, *inputs: Value) -> Value:
        (x,) = inputs
        if self.scale.shape != x.shape[:1] or self.shift.shape != x.shape[:1]:
            raise self._reject(f"scale {self.scale.shape} and shift {self.shift.shape} do not match input {x.shape}")
        lift = self.product_shift(x)
        ends = [
            (end * s << lift) + t
            for end in (x.low, x.high)
            for s, t in zip(self.scale.codes.tolist(), self.shift_codes(x).tolist(), strict=True)
        ]
        return Value.exact(x.shape, self.frac(x), min(ends), max(ends))


@dataclass(frozen=True, slots=True, kw_only=True)
class Relu(Node):
    """`y = max(x, 0)`."""

    op: ClassVar[str] = "relu"

    def infer(self, *inputs: Value) -> Value:
        (x,) = inputs
        return Value.exact(x.shape, x.format.frac, max(x.low, 0), max(x.high, 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Add(Node):
    """`y = a << (F - Fa) + b << (F - Fb)` with `F = max(Fa, Fb)`; both inputs of one shape."""

    op: ClassVar[str] = "add"
    arity: ClassVar[int] = 2

    def infer(self, *inputs: Value) -> Value:
        a, b = inputs
        if a.shape != b.shape:
            raise self._reject(f"input shapes {a.shape} and {b.shape} differ; broadcast before the addition")
        frac = max(a.format.frac, b.format.frac)
        lift_a, lift_b = frac - a.format.frac, frac - b.format.frac
        return Value.exact(
            a.shape, frac, (a.low << lift_a) + (b.low << lift_b), (a.high << lift_a) + (b.high << lift_b)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Window(Node):
    """What the poolings share: a window over [C, H, W] without padding."""

    kernel: Pair
    stride: Pair

    def window_shape(self, x: Value) -> tuple[int, ...]:
        """The result's shape."""
        if len(x.shape) != 3:
            raise self._reject(f"pooling needs [C, H, W], not {x.shape}")
        shape = (x.shape[0], *pooled_shape(x.shape, self.kernel, self.stride))
        if min(shape) < 1:
            raise self._reject(f"the {self.kernel} window does not fit the input {x.shape}")
        return shape


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxPool2d(Window):
    """`y = max of the window`."""

    op: ClassVar[str] = "max_pool2d"

    def infer(self, *inputs: Value) -> Value:
        (x,) = inputs
        return Value(self.window_shape(x), x.format, x.low, x.high)


@dataclass(frozen=True, slots=True, kw_only=True)
class AvgPool2d(Window):
    """`y = scale * (sum of the window)`, `F = Fx + Fscale`; for 2**n elements scale is 1 with n fractional bits: exact.

    Attributes:
        scale: one code, int64[]; the reciprocal of the window's size in fixed point.
    """

    op: ClassVar[str] = "avg_pool2d"

    scale: Tensor

    def infer(self, *inputs: Value) -> Value:
        (x,) = inputs
        if self.scale.shape != () or int(self.scale.codes) < 1:
            raise self._reject("the scale must be one positive code")
        factor = self.kernel[0] * self.kernel[1] * int(self.scale.codes)
        frac = x.format.frac + self.scale.format.frac
        return Value.exact(self.window_shape(x), frac, x.low * factor, x.high * factor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flatten(Node):
    """The same codes as one axis, in row-major order."""

    op: ClassVar[str] = "flatten"

    def infer(self, *inputs: Value) -> Value:
        (x,) = inputs
        return Value((x.size,), x.format, x.low, x.high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Requantize(Node):
    """`y = overflow(round(x * 2**(F - Fx)))`: the only operator that loses bits."""

    op: ClassVar[str] = "requantize"

    format: FixedPoint
    rounding: Rounding = Rounding.RND
    overflow: Overflow = Overflow.SAT

    def infer(self, *inputs: Value) -> Value:
        (x,) = inputs
        if self.overflow is Overflow.WRAP_SM and not self.format.signed:
            raise self._reject(f"overflow mode WRAP_SM exists for signed formats only, not {self.format}")
        ends = np.array([x.low, x.high], dtype=object)
        wide = FixedPoint.holding(x.low, x.high, x.format.frac).width + max(0, self.format.frac - x.format.frac) + 2
        low, high = cast(ends, x.format.frac, FixedPoint(wide, self.format.frac), self.rounding, Overflow.SAT).tolist()
        monotone = self.overflow in (Overflow.SAT, Overflow.SAT_SYM)
        if monotone or self.format.holds(low, high):
            low, high = cast(ends, x.format.frac, self.format, self.rounding, self.overflow).tolist()
            low, high = min(low, high), max(low, high)
        else:
            low, high = self.format.low, self.format.high
        return Value(x.shape, self.format, int(low), int(high))


@dataclass(frozen=True, slots=True, kw_only=True)
class ArgMax(Node):
    """`y = the first index whose code is highest`; input [N], result [1]."""

    op: ClassVar[str] = "argmax"

    def infer(self, *inputs: Value) -> Value:
        (x,) = inputs
        if len(x.shape) != 1:
            raise self._reject(f"the input must have one axis, not {x.shape}; flatten it first")
        return Value.exact((1,), 0, 0, x.size - 1)


OPERATORS: dict[str, type[Node]] = {
    cls.op: cls
    for cls in (
        Input, Dense, Conv2d, ScaleShift, Relu, Add, MaxPool2d, AvgPool2d, Flatten, Requantize, ArgMax,
    )
}  # fmt: skip
