"""Tensors of binary points: exact powers of two, which values share a point, and where a point starts best."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from flow.formats import Rounding
from flow.training.grid import round_codes, round_randomly
from flow.training.spec import Granularity, Word

__all__ = [
    "FAR",
    "FLOAT_LAYOUT",
    "SEARCH",
    "Project",
    "best_points",
    "group_max",
    "grouped_sum",
    "nearest_codes",
    "point_shape",
    "power_of_two",
]

Project = Callable[[Tensor], Tensor]  # real codes -> the legal whole codes next to them, same shape and dtype

FAR = 32  # binary points stay within +-32, so that products of two never leave float32's exponents
SEARCH = range(-1, 9)  # candidates for the best position, from the highest one that saturates nothing
# The integer type of a float's bits, the bias of its exponent, and its mantissa bits.
FLOAT_LAYOUT = {torch.float32: (torch.int32, 127, 23), torch.float64: (torch.int64, 1023, 52)}


def power_of_two(exponents: Tensor, dtype: torch.dtype) -> Tensor:
    """`2**exponents`, same shape, exactly: the exponent's bits are written, since torch.exp2 need not be exact.

    Args:
        exponents: whole numbers within +-126.
        dtype: float32 or float64.
    """
    whole, bias, mantissa = FLOAT_LAYOUT[dtype]
    return ((exponents.to(whole) + bias) << mantissa).view(dtype)


def point_shape(shape: tuple[int, ...], granularity: Granularity) -> tuple[int, ...]:
    """The shape of the binary points of a constant, which broadcasts to the constant's; axis 0 is the channel."""
    if granularity is Granularity.TENSOR or not shape:
        return ()
    return shape if granularity is Granularity.ELEMENT else (shape[0], *([1] * (len(shape) - 1)))


def grouped_sum(values: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The sum over the values that share a point: any shape -> `shape`."""
    return values if values.shape == shape else values.sum_to_size(shape)


def group_max(values: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The largest of the values that share a point: any shape -> `shape`."""
    if values.shape == shape:
        return values
    return values.amax() if not shape else values.flatten(1).amax(dim=1).view(shape)


def nearest_codes(
    v: Tensor, word: Word, project: Project | None, drawing: bool = False
) -> tuple[Tensor, Tensor, Tensor]:
    """Codes of real codes `v`: rounded, then brought into the word, then projected; each of the shape of `v`.

    `drawing` rounds up with the probability of the rest instead of to nearest.
    """
    low, high = (-(1 << (word.width - 1)), (1 << (word.width - 1)) - 1) if word.signed else (0, (1 << word.width) - 1)
    rounded = round_randomly(v) if drawing else round_codes(v, Rounding.RND)
    nearest = rounded.clamp(low, high)
    return rounded, nearest, nearest if project is None else project(v)


def best_points(x: Tensor, word: Word, shape: tuple[int, ...], project: Project | None = None) -> Tensor:
    """For each group the fractional bits that lose least in squared error, the smallest of equals: int64 of `shape`.

    Points of single values start where their whole tensor loses least: one value alone loses less the further its point
    moves right, until the folded tensor is as wide as a float.

    Args:
        x: float tensor, any shape.
        word: width and sign.
        shape: of the points, from `point_shape`.
        project: the legal codes, where not all are.
    """
    if shape == x.shape and x.ndim:
        return best_points(x, word, (), project).expand(shape).clone()
    values = x.detach().double()
    largest = group_max(values.abs(), shape)
    highest = word.width - word.signed - torch.frexp(largest)[1].long()
    best, least = highest.clamp(-FAR, FAR), torch.full_like(largest, torch.inf)
    for offset in SEARCH:
        position = (highest + offset).clamp(-FAR, FAR)
        codes = nearest_codes(values * power_of_two(position, torch.float64), word, project)[2]
        error = grouped_sum((codes * power_of_two(-position, torch.float64) - values).square(), shape)
        best = torch.where(error < least, position, best)
        least = torch.minimum(error, least)
    return torch.where(largest == 0, word.width - word.signed, best)
