"""Windows that slide over [C, H, W]: the poolings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from flow.ir.ops.node import Node, Pair
from flow.ir.value import Tensor, Value

__all__ = ["AvgPool2d", "MaxPool2d", "Window", "pooled_shape", "window_fault"]


def pooled_shape(shape: tuple[int, ...], kernel: Pair, stride: Pair, padding: Pair = (0, 0)) -> Pair:
    """Height and width after a window slid over the last two axes of `shape`."""
    sizes = zip(shape[-2:], kernel, stride, padding, strict=True)
    height, width = ((size + 2 * p - k) // s + 1 for size, k, s, p in sizes)
    return height, width


def window_fault(kernel: Pair, stride: Pair, padding: Pair = (0, 0)) -> str | None:
    """The rule that a window breaks wherever it slides; None for a good one."""
    for name, pair, least in (("kernel", kernel, 1), ("stride", stride, 1), ("padding", padding, 0)):
        if min(pair) < least:
            return f"the {name} of a window is at least {least} in both directions, not {pair}"
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Window(Node):
    """What the poolings share: a window over [C, H, W] without padding."""

    kernel: Pair
    stride: Pair

    def window_shape(self, x: Value) -> tuple[int, ...]:
        """The result's shape."""
        if len(x.shape) != 3:
            raise self._reject(f"pooling needs [C, H, W], not {x.shape}")
        fault = window_fault(self.kernel, self.stride)
        if fault:
            raise self._reject(fault)
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
