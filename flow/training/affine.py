"""A factor and a summand that are constants of the model: the slope of a PReLU, the end of a LayerNorm, `x * 0.5`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from flow.training.fracs import AtPoint, Constant, Frac, finest, point_of, summed
from flow.training.quantizer import Quantizer

__all__ = ["FixedScale"]

Held = tuple[nn.Parameter, Quantizer]


class FixedScale(AtPoint):
    """`y = x * scale + shift`, float[B, C, ...] -> same shape, with a factor and a summand for every index of axis 1.

    Args:
        scale: the factor and its quantiser; None for 1.
        shift: the summand and its quantiser; None for 0.
        sample: the shape that both are broadcast to; its first axis has C places, or all axes together have.
        channels: C.
    """

    def __init__(self, scale: Held | None, shift: Held | None, sample: tuple[int, ...], channels: int) -> None:
        super().__init__()
        self.scale, self.scale_quantizer = scale or (None, None)
        self.shift, self.shift_quantizer = shift or (None, None)
        self.sample, self.channels = sample, channels

    def forward(self, x: Tensor, frac: Frac) -> Tensor:
        shape = (-1, *([1] * (x.ndim - 2)))
        if self.scale is not None:
            x = x * self._spread(self.scale_quantizer(self.scale)).reshape(shape)
        return x if self.shift is None else x + self._spread(self.shift_quantizer(self.shift)).reshape(shape)

    def _spread(self, values: Tensor) -> Tensor:
        """Any shape that broadcasts to a sample -> [C]."""
        own = values.reshape(values.shape[-len(self.sample) :])
        return own.expand(self.sample).reshape(self.channels, -1)[:, 0]

    def codes(self, quantizer: Quantizer, values: Tensor) -> NDArray[np.int64]:
        """int64[C] codes in the quantiser's format."""
        own: NDArray[Any] = quantizer.codes(values)
        own = own.reshape(own.shape[-len(self.sample) :])
        first = math.prod(self.sample) // self.channels
        return np.broadcast_to(own, self.sample).reshape(self.channels, first)[:, 0].copy()

    def constants(self) -> tuple[Constant, ...]:
        held = ((self.scale, self.scale_quantizer), (self.shift, self.shift_quantizer))
        return tuple((values, quantizer) for values, quantizer in held if values is not None and quantizer is not None)

    def point(self, *given: Frac) -> Frac:
        product = summed(*given) if self.scale is None else summed(point_of(self.scale_quantizer), *given)
        return product if self.shift is None else finest(product, point_of(self.shift_quantizer))
