"""Minifloats emulated on float32 and float64: the number next to a value, exactly, in few passes over the values.

A float's own exponent bits say which binade a value lies in, and with it the step of the minifloat there. Adding and
taking away 1.5 * 2**23 steps (2**52 in float64) then rounds to nearest even, without a logarithm or a division.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from flow.formats import FloatRounding, Minifloat, Rounding
from flow.training.grid import round_codes, round_randomly
from flow.training.points import FLOAT_LAYOUT, power_of_two

__all__ = ["Placed", "nearest_numbers", "placed"]

# How a value that was divided by its step becomes whole.
_WHOLE: dict[FloatRounding, Callable[[Tensor], Tensor]] = {
    FloatRounding.NEAREST_EVEN: lambda v: round_codes(v, Rounding.RND_CONV),
    FloatRounding.NEAREST_AWAY: lambda v: round_codes(v, Rounding.RND_INF),
    FloatRounding.TOWARD_ZERO: torch.trunc,
    FloatRounding.UP: torch.ceil,
    FloatRounding.DOWN: torch.floor,
}


_PART = 1 << 17  # values that are worked on while they are in the cache


@dataclass(frozen=True, slots=True)
class Placed:
    """A minifloat at a binary point, or at one for each group of values.

    Attributes:
        form: the split into exponent and mantissa, and the specials; its bias says nothing here.
        normal: the bits of the smallest number with a leading one, an integer tensor that broadcasts to the values.
        low: the lowest number, a float tensor of the same shape.
        high: the highest number.
    """

    form: Minifloat
    normal: Tensor
    low: Tensor
    high: Tensor


def placed(form: Minifloat, at: Tensor, dtype: torch.dtype) -> Placed:
    """`form` with its lowest subnormal at `2**-at`.

    Args:
        form: at most 7 exponent bits.
        at: fractional bits, int of any shape.
        dtype: of the values, float32 or float64.
    """
    whole, bias, mantissa = FLOAT_LAYOUT[dtype]
    high = power_of_two(-at, dtype) * float(form.highest_integer)
    normal = (form.mantissa - at + bias).to(whole) << mantissa
    return Placed(form, normal, -high if form.signed else torch.zeros_like(high), high)


def nearest_numbers(x: Tensor, grid: Placed, rounding: FloatRounding | None) -> Tensor:
    """Each value rounded once and saturated: any shape -> same shape and dtype.

    Args:
        x: float32 or float64; NaN stays NaN.
        grid: of the dtype of `x`.
        rounding: which neighbour is taken; None draws it, up with the probability of the rest.
    """
    if x.numel() <= _PART or grid.high.ndim:
        return _nearest(x, grid, rounding)
    flat = x.reshape(-1)
    made = torch.empty_like(flat)
    for given, result in zip(flat.split(_PART), made.split(_PART), strict=True):
        result.copy_(_nearest(given, grid, rounding))
    return made.view_as(x)


def _nearest(x: Tensor, grid: Placed, rounding: FloatRounding | None) -> Tensor:
    whole, _, digits = FLOAT_LAYOUT[x.dtype]
    kept = torch.clamp(x, grid.low, grid.high)
    binade = kept.view(whole) & (((1 << (whole.itemsize * 8 - 1 - digits)) - 1) << digits)
    torch.maximum(binade, grid.normal, out=binade)
    if rounding is not FloatRounding.NEAREST_EVEN:
        step = binade.sub_(grid.form.mantissa << digits).view(x.dtype)
        quotient = kept.div_(step)
        return (round_randomly(quotient) if rounding is None else _WHOLE[rounding](quotient)).mul_(step)
    if not grid.form.mantissa:
        return _nearest_exponent(kept, binade, grid)
    large = binade.add_(((digits - grid.form.mantissa) << digits) + (1 << (digits - 1))).view(x.dtype)
    return kept.add_(large).sub_(large)


def _nearest_exponent(kept: Tensor, binade: Tensor, grid: Placed) -> Tensor:
    """Without a mantissa bit a tie goes to the even exponent; zero, below the lowest exponent, is even."""
    _, _, digits = FLOAT_LAYOUT[kept.dtype]
    quotient = kept.div_(binade.view(kept.dtype))
    odd = ((binade - grid.normal) >> digits) & 1  # of the exponent above, whose field is one more
    up = torch.where(odd.bool(), quotient.abs() > 1.5, quotient.abs() >= 1.5)
    below = torch.where(quotient.abs() < 1.0, quotient.round(), quotient.trunc())
    raised = up & (quotient.abs() >= 1.0)
    return (below + raised.to(below.dtype).copysign(quotient)).mul_(binade.view(kept.dtype))
