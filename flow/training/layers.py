"""The trainable layers: each computes in floats what one operator of the graph computes in integers.

Outside of `Cast` nothing is rounded: products and sums are exact as long as they fit the mantissa, which
`flow.training.rung` proves before it claims anything. Others are in `operators`, `tables` and `accumulators`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

from torch import Tensor, nn
from torch.nn import functional

from flow.training.fracs import Constant, Frac, Layer, finest, point_of, summed
from flow.training.quantizer import Quantizer

__all__ = [
    "Cast",
    "ConstantLayer",
    "FixedAdd",
    "FixedAvgPool2d",
    "FixedConv2d",
    "FixedDense",
    "FixedFlatten",
    "FixedMaxPool2d",
    "FixedRelu",
    "FixedScaleShift",
    "InputCast",
    "best_reciprocal",
]

Pair = tuple[int, int]


class Cast(Layer):
    """Brings a value to a word with a binary point of its own: float[B, ...] -> same shape."""

    def __init__(self, quantizer: Quantizer) -> None:
        super().__init__()
        self.quantizer = quantizer

    def forward(self, x: Tensor) -> Tensor:
        return self.quantizer(x)

    def point(self, *given: Frac) -> Frac:
        return point_of(self.quantizer)


class InputCast(Cast):
    """The cast of the model's input, which the host does before it sends codes."""


class ConstantLayer(Layer):
    """A layer of one value and of constants, each of which has a quantiser."""

    def forward(self, x: Tensor) -> Tensor:
        return self.computed(x, *(held(values) for values, held in self.constants()))

    def computed(self, x: Tensor, *constants: Tensor) -> Tensor:
        """The result with constants, in the order of `constants`, that lie on their grids already."""
        raise TypeError(f"{type(self).__name__} computes nothing.")


class _Weighted(ConstantLayer):
    """A weight and perhaps a bias, each with its quantiser."""

    def __init__(
        self, weight: nn.Parameter, bias: nn.Parameter | None, weight_word: Quantizer, bias_word: Quantizer | None
    ) -> None:
        super().__init__()
        self.weight, self.bias = weight, bias
        self.weight_quantizer, self.bias_quantizer = weight_word, bias_word

    def constants(self) -> tuple[Constant, ...]:
        bias = () if self.bias is None else ((self.bias, self.bias_quantizer),)
        return (self.weight, self.weight_quantizer), *bias

    def point(self, *given: Frac) -> Frac:
        product = summed(point_of(self.weight_quantizer), *given)
        return product if self.bias is None else finest(product, point_of(self.bias_quantizer))


class FixedDense(_Weighted):
    """float[B, I] -> float[B, O]."""

    def computed(self, x: Tensor, *constants: Tensor) -> Tensor:
        return functional.linear(x, *constants)


class FixedConv2d(_Weighted):
    """float[B, I, H, W] -> float[B, O, H', W']."""

    def __init__(
        self,
        weight: nn.Parameter,
        bias: nn.Parameter | None,
        weight_word: Quantizer,
        bias_word: Quantizer | None,
        stride: Pair,
        padding: Pair,
        groups: int,
        dilation: Pair = (1, 1),
    ) -> None:
        super().__init__(weight, bias, weight_word, bias_word)
        self.stride, self.padding, self.groups, self.dilation = stride, padding, groups, dilation

    def computed(self, x: Tensor, *constants: Tensor) -> Tensor:
        weight, bias = (*constants, None)[:2]
        return functional.conv2d(x, weight, bias, self.stride, self.padding, self.dilation, self.groups)


class FixedScaleShift(ConstantLayer):
    """BatchNorm as a trainable multiplication and addition per channel: float[B, C, ...] -> same shape."""

    def __init__(self, scale: nn.Parameter, shift: nn.Parameter, scale_word: Quantizer, shift_word: Quantizer) -> None:
        super().__init__()
        self.scale, self.shift = scale, shift
        self.scale_quantizer, self.shift_quantizer = scale_word, shift_word

    def computed(self, x: Tensor, *constants: Tensor) -> Tensor:
        scale, shift = (held.view(-1, *([1] * (x.ndim - 2))) for held in constants)
        return x * scale + shift

    def constants(self) -> tuple[Constant, ...]:
        return (self.scale, self.scale_quantizer), (self.shift, self.shift_quantizer)

    def point(self, *given: Frac) -> Frac:
        return finest(summed(point_of(self.scale_quantizer), *given), point_of(self.shift_quantizer))


class FixedRelu(Layer):
    """max(x, 0)."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x)


class FixedAdd(Layer):
    """a + b, both of one shape."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return a + b

    def point(self, *given: Frac) -> Frac:
        return finest(*given)


class FixedMaxPool2d(Layer):
    """The highest value of each window: float[B, C, H, W] -> float[B, C, H', W']."""

    def __init__(self, kernel: Pair, stride: Pair) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        return functional.max_pool2d(x, self.kernel, self.stride)


def best_reciprocal(size: int, width: int, allows: Callable[[int], bool] = lambda code: True) -> tuple[int, int]:
    """The code and the fractional bits of the unsigned fixed-point constant nearest to `1 / size`.

    A power of two is exact with the code 1; otherwise the code has at most `width` bits, and the shorter of two equally
    near constants wins. `allows` says which codes are legal, as where their digits are bounded.

    >>> best_reciprocal(16, 6), best_reciprocal(9, 6)
    ((1, 4), (57, 9))
    """
    if size & (size - 1) == 0:
        return 1, size.bit_length() - 1
    candidates = [(round(Fraction(1 << frac, size)), frac) for frac in range(size.bit_length() + width)]
    legal = [(code, frac) for code, frac in candidates if 1 <= code < 1 << width and allows(code)]
    return min(legal, key=lambda pair: abs(Fraction(pair[0], 1 << pair[1]) - Fraction(1, size)))


class FixedAvgPool2d(Layer):
    """The sum of each window times a constant near the reciprocal of its size.

    Args:
        kernel: height and width of the window.
        stride: step down and right.
        width: of the constant where the window's size is not a power of two.
        allows: which of its codes are legal.
    """

    def __init__(
        self, kernel: Pair, stride: Pair, width: int, allows: Callable[[int], bool] = lambda code: True
    ) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride
        self.code, self.frac = best_reciprocal(math.prod(kernel), width, allows)

    def forward(self, x: Tensor) -> Tensor:
        sums = functional.avg_pool2d(x, self.kernel, self.stride, divisor_override=1)
        return sums * math.ldexp(self.code, -self.frac)

    def point(self, *given: Frac) -> Frac:
        return summed(self.frac, *given)


class FixedFlatten(Layer):
    """float[B, ...] -> float[B, N], row-major."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)
