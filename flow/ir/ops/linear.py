"""Products with constants: dense, convolution, and BatchNorm's scale and shift."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from flow.ir.ops.node import Node, Pair
from flow.ir.ops.windows import pooled_shape, window_fault
from flow.ir.value import Tensor, Value

__all__ = ["Conv2d", "Dense", "Linear", "ScaleShift", "row_sums"]


def row_sums(codes: NDArray[np.int64]) -> list[int]:
    """Sums of the rows of int64[O, K], of any width: both halves of a code apart, since int64 would wrap."""
    halves = zip((codes >> 32).sum(axis=1).tolist(), (codes & 0xFFFFFFFF).sum(axis=1).tolist(), strict=True)
    return [(high << 32) + low for high, low in halves]


def _dot_range(weight: NDArray[np.int64], x: Value, padded: bool) -> tuple[list[int], list[int]]:
    """Exact lowest and highest sum per output row of `weight` (int64[O, K]) over inputs anywhere in their range."""
    low, high = (min(x.low, 0), max(x.high, 0)) if padded else (x.low, x.high)
    positive, negative = row_sums(np.maximum(weight, 0)), row_sums(np.minimum(weight, 0))
    lows = [p * low + n * high for p, n in zip(positive, negative, strict=True)]
    highs = [p * high + n * low for p, n in zip(positive, negative, strict=True)]
    return lows, highs


def _lifted(constant: Tensor, frac: int) -> list[int]:
    """The codes with `frac` fractional bits, of any width."""
    lift = frac - constant.format.frac
    return [code << lift for code in constant.codes.tolist()]


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
        """The bias at the result's binary point, int64[O]; zeros where there is none.

        Codes beyond int64 wrap, which changes no result that fits 62 bits.
        """
        if self.bias is None:
            return np.zeros(self.weight.shape[0], dtype=np.int64)
        return self.bias.codes << (self.frac(x) - self.bias.format.frac)

    def partial_bound(self, *inputs: Value) -> int:
        """A magnitude that no partial sum exceeds, in whatever order the terms are added, bias included."""
        (x,) = inputs
        rows = row_sums(np.abs(self.weight.codes.reshape(self.weight.shape[0], -1)))
        lift = self.product_shift(x)
        return max((row * x.magnitude << lift) + abs(bias) for row, bias in zip(rows, self._biases(x), strict=True))

    def _biases(self, x: Value) -> list[int]:
        """As `bias_codes`, of any width."""
        if self.bias is None:
            return [0] * self.weight.shape[0]
        return _lifted(self.bias, self.frac(x))

    def _result(self, x: Value, shape: tuple[int, ...], padded: bool) -> Value:
        if not self.weight.shape[0]:
            raise self._reject(f"a weight of shape {self.weight.shape} gives no result; leave the layer out")
        if self.bias is not None and self.bias.shape != self.weight.shape[:1]:
            raise self._reject(f"bias shape {self.bias.shape} is not ({self.weight.shape[0]},)")
        lows, highs = _dot_range(self.weight.codes.reshape(self.weight.shape[0], -1), x, padded)
        shift, biases = self.product_shift(x), self._biases(x)
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
        fault = window_fault(self.kernel, self.stride, self.padding)
        if fault:
            raise self._reject(fault)
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
        """The shift term at the result's binary point, int64[C]; it wraps as `Linear.bias_codes` does."""
        return self.shift.codes << (self.frac(x) - self.shift.format.frac)

    def partial_bound(self, *inputs: Value) -> int:
        (x,) = inputs
        lift, shifts = self.product_shift(x), _lifted(self.shift, self.frac(x))
        scales: list[int] = self.scale.codes.tolist()
        return max((x.magnitude * abs(s) << lift) + abs(t) for s, t in zip(scales, shifts, strict=True))

    def infer(self, *inputs: Value) -> Value:
        (x,) = inputs
        if self.scale.shape != x.shape[:1] or self.shift.shape != x.shape[:1]:
            raise self._reject(f"scale {self.scale.shape} and shift {self.shift.shape} do not match input {x.shape}")
        lift = self.product_shift(x)
        ends = [
            (end * s << lift) + t
            for end in (x.low, x.high)
            for s, t in zip(self.scale.codes.tolist(), _lifted(self.shift, self.frac(x)), strict=True)
        ]
        return Value.exact(x.shape, self.frac(x), min(ends), max(ends))
