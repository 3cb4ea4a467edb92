"""Where the binary points start: by the largest value, by a percentile of the values, or by the squared error."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from enum import Enum
from fractions import Fraction
from typing import Any

from torch import Tensor

from flow.errors import RecipeError
from flow.formats import FixedPoint
from flow.training.cast_points import GroupedCast
from flow.training.grid import limits, round_codes
from flow.training.minifloats import MinifloatQuantizer
from flow.training.model import QuantizedModel
from flow.training.ptq.reference import evaluating
from flow.training.quantizer import Quantizer, quantizers
from flow.training.widths import LearnedCast, LearnedConstant

__all__ = ["RangeMethod", "calibrate_ranges", "max_position", "percentile_position"]

_FAR = 32  # as Quantizer clamps its points
_LEARNED = (LearnedCast, LearnedConstant, GroupedCast)


class RangeMethod(Enum):
    """How the range of a tensor is chosen."""

    MAX = "max"  # no value saturates
    PERCENTILE = "percentile"  # no value up to a percentile of the magnitudes saturates
    MSE = "mse"  # the squared error is least: what flow.quantize does


def _length(quantizer: Quantizer) -> int:
    """Magnitude bits of the largest code."""
    if isinstance(quantizer, MinifloatQuantizer):
        return quantizer.word.form.highest_integer.bit_length()
    return quantizer.word.width - quantizer.word.signed


def _saturates(x: Tensor, quantizer: Quantizer, frac: int) -> bool:
    if isinstance(quantizer, MinifloatQuantizer):
        return bool((x.abs() > float(quantizer.word.at(frac).high)).any())
    form = FixedPoint(quantizer.word.width, frac, quantizer.word.signed)
    codes = round_codes(x * math.ldexp(1.0, frac), quantizer.rounding)
    low, high = limits(form, quantizer.overflow)
    return bool(((codes < low) | (codes > high)).any())


def max_position(x: Tensor, quantizer: Quantizer) -> int:
    """The most fractional bits with which no value of `x`, any shape, leaves the word.

    Negative values in an unsigned word are left out: no position holds them.
    """
    values = x.detach().double()
    values = values if quantizer.word.signed else values.clamp(min=0.0)
    largest = float(values.abs().max()) if values.numel() else 0.0
    if largest == 0.0:
        return _length(quantizer)
    # The largest value needs frexp's exponent; a negative power of two needs one bit less, a value that is rounded
    # up to a power of two one more, and a word of one or two signed bits another one.
    guess = _length(quantizer) - math.frexp(largest)[1]
    usual = quantizer.word.form.frac if isinstance(quantizer, MinifloatQuantizer) else 0
    candidates = [max(usual - _FAR, min(usual + _FAR, guess + offset)) for offset in (1, 0, -1, -2)]
    return next((frac for frac in candidates if not _saturates(values, quantizer, frac)), candidates[-1])


def percentile_position(x: Tensor, quantizer: Quantizer, percentile: float) -> int:
    """`max_position` of the values whose magnitude is not above the `percentile` of all magnitudes.

    Args:
        x: any shape.
        quantizer: gives word and modes.
        percentile: 0 < percentile <= 100; the value at rank ceil(percentile / 100 * count) is the last one kept.
    """
    flat = x.detach().double().flatten()
    if not flat.numel():
        return max_position(flat, quantizer)
    # As a decimal fraction: 99.9 percent of 1000 are 999, not the 1000 that floats make of it.
    rank = max(1, math.ceil(Fraction(str(percentile)) * flat.numel() / 100))
    bound = flat.abs().kthvalue(rank).values
    return max_position(flat[flat.abs() <= bound], quantizer)


_POSITIONS: dict[RangeMethod, Callable[[Tensor, Quantizer, float], int]] = {
    RangeMethod.MAX: lambda x, quantizer, percentile: max_position(x, quantizer),
    RangeMethod.PERCENTILE: percentile_position,
}


def _move(quantizer: Any, x: Tensor, method: RangeMethod, percentile: float) -> None:
    """Set the points of one quantiser: group by group, but those of single values of a constant all to one position."""
    if method is RangeMethod.MSE or not quantizer.points():
        quantizer.move_to_best(x)
    elif isinstance(quantizer, GroupedCast) or 1 < quantizer.frac.numel() < x.numel():
        groups = list(quantizer.rows(x) if isinstance(quantizer, GroupedCast) else x)
        found = [_POSITIONS[method](group, quantizer, percentile) for group in groups]
        if isinstance(quantizer, GroupedCast):
            found = _without_empty(found, groups)
        quantizer.frac.copy_(quantizer.frac.new_tensor(found).view_as(quantizer.frac))
    else:
        quantizer.frac.fill_(_POSITIONS[method](x, quantizer, percentile))
    if isinstance(quantizer, _LEARNED) and hasattr(quantizer, "integer"):
        # A learned word starts with the length that was given, wherever its point lies.
        at = quantizer.frac if isinstance(quantizer, LearnedCast) else quantizer.positions()
        quantizer.integer.copy_(_length(quantizer) - at)


def _without_empty(found: list[int], groups: list[Tensor]) -> list[int]:
    """Groups that are 0 throughout take the leftmost point of the others, which widens no format."""
    held = [bool(group.any()) for group in groups]
    leftmost = min((at for at, some in zip(found, held, strict=True) if some), default=found[0])
    return [at if some else leftmost for at, some in zip(found, held, strict=True)]


def calibrate_ranges(
    qmodel: QuantizedModel, data: Tensor, method: RangeMethod, percentile: float = 99.9
) -> QuantizedModel:
    """A copy whose every binary point is set by `method`, each quantiser seeing already quantised inputs.

    Args:
        qmodel: left as it is.
        data: float[B, ...].
        method: of all quantisers, constants too.
        percentile: of PERCENTILE.

    Raises:
        RecipeError: the percentile is not in (0, 100].
    """
    if not 0.0 < percentile <= 100.0:
        raise RecipeError(f"A range percentile must lie above 0 and at most at 100, not at {percentile}.")
    result = copy.deepcopy(qmodel)

    def place(module: Any, inputs: tuple[Any, ...]) -> None:
        _move(module, inputs[0], method, percentile)

    hooks = [quantizer.register_forward_pre_hook(place) for quantizer in quantizers(result).values()]
    with evaluating(result):
        result(data)
    for hook in hooks:
        hook.remove()
    return result
