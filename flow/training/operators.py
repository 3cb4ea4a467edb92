"""Layers without constants that combine, reduce or move values, each exact as long as its result fits the mantissa."""

from __future__ import annotations

import torch
from torch import Tensor

from flow.ir.ops import padded_places
from flow.training.fracs import Frac, Layer, finest, summed

__all__ = [
    "FixedConcat",
    "FixedMatMul",
    "FixedMul",
    "FixedPad",
    "FixedReduceMax",
    "FixedReduceSum",
    "FixedReshape",
    "FixedSlice",
    "FixedSub",
    "FixedTranspose",
    "FixedUpsample",
]


class FixedSub(Layer):
    """a - b, shapes that match but for sizes of 1."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return a - b

    def point(self, *given: Frac) -> Frac:
        return finest(*given)


class FixedMul(Layer):
    """a * b, shapes that match but for sizes of 1."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return a * b

    def point(self, *given: Frac) -> Frac:
        return summed(*given)


class FixedMatMul(Layer):
    """float[B, .., M, K], float[B, .., K, N] -> float[B, .., M, N]."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return a @ b

    def point(self, *given: Frac) -> Frac:
        return summed(*given)


class _Reduction(Layer):
    """One axis of a sample, counted from 0, becomes size 1."""

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis


class FixedReduceMax(_Reduction):
    """The highest value along the axis."""

    def forward(self, x: Tensor) -> Tensor:
        return x.amax(self.axis + 1, keepdim=True)


class FixedReduceSum(_Reduction):
    """The sum of the values along the axis."""

    def forward(self, x: Tensor) -> Tensor:
        return x.sum(self.axis + 1, keepdim=True)


class FixedConcat(Layer):
    """Values one after another along an axis of a sample, counted from 0."""

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, *parts: Tensor) -> Tensor:
        return torch.cat(parts, self.axis + 1)

    def point(self, *given: Frac) -> Frac:
        return finest(*given)


class FixedReshape(Layer):
    """float[B, ...] -> float[B, *shape], row-major."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(len(x), *self.shape)


class FixedPad(Layer):
    """Zeros before, after and between the values along each axis of a sample, as `flow.ir.Pad` puts them."""

    def __init__(self, before: tuple[int, ...], after: tuple[int, ...], interior: tuple[int, ...]) -> None:
        super().__init__()
        self.before, self.after, self.interior = before, after, interior

    def forward(self, x: Tensor) -> Tensor:
        axes = list(zip(x.shape[1:], self.before, self.after, self.interior, strict=True))
        kept, placed = zip(*(padded_places(*axis) for axis in axes), strict=True)
        padded = x.new_zeros(len(x), *((size - 1) * (more + 1) + 1 + first + last for size, first, last, more in axes))
        padded[(slice(None), *placed)] = x[(slice(None), *kept)]
        return padded


class FixedUpsample(Layer):
    """Each value so many times along each axis of a sample."""

    def __init__(self, factors: tuple[int, ...]) -> None:
        super().__init__()
        self.factors = factors

    def forward(self, x: Tensor) -> Tensor:
        for axis, factor in enumerate(self.factors, start=1):
            x = x if factor == 1 else x.repeat_interleave(factor, dim=axis)
        return x


class FixedSlice(Layer):
    """Along every axis of a sample the places from a start to a stop, in steps."""

    def __init__(self, starts: tuple[int, ...], stops: tuple[int, ...], steps: tuple[int, ...]) -> None:
        super().__init__()
        self.starts, self.stops, self.steps = starts, stops, steps

    def forward(self, x: Tensor) -> Tensor:
        return x[(slice(None), *map(slice, self.starts, self.stops, self.steps))]


class FixedTranspose(Layer):
    """The axes of a sample in another order."""

    def __init__(self, order: tuple[int, ...]) -> None:
        super().__init__()
        self.order = order

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(0, *(axis + 1 for axis in self.order))
