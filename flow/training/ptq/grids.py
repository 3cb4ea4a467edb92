"""The grid a weight may lie on, fixed point or minifloat: its neighbours below, above and nearest.

Blocks (MX, NVFP4) have neighbours too, but no grid that stands still: the scale of a block follows from its values, so
that a neighbour of one element may move all others. Choosing among those is not implemented.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from flow.errors import UnsupportedError
from flow.formats import FixedPoint, FloatRounding, Minifloat, Overflow, Rounding
from flow.training.constants import ConstantQuantizer
from flow.training.grid import limits, quantized, round_codes
from flow.training.minifloat_grid import nearest_numbers, placed
from flow.training.minifloats import MinifloatQuantizer
from flow.training.model import QuantizedModel
from flow.training.points import power_of_two
from flow.training.ptq.reference import WeightedLayer, weighted_layers
from flow.training.quantizer import Quantizer
from flow.training.spec import Granularity, Word

__all__ = ["Grid", "channel_grid", "fixed_grid", "minifloat_grid", "nearest_minifloat", "plain_layers", "weight_grids"]


@dataclass(frozen=True, slots=True)
class Grid:
    """Three maps from float64[O, K], rows of a weight, to values on the grid, same shape; K may be less than a row has.

    Attributes:
        nearest: the nearest value.
        below: the largest value that is not above; the lowest value of the grid where there is none.
        above: the smallest value that is not below; the highest value of the grid where there is none.
    """

    nearest: Callable[[Tensor], Tensor]
    below: Callable[[Tensor], Tensor]
    above: Callable[[Tensor], Tensor]


def fixed_grid(form: FixedPoint, rounding: Rounding = Rounding.RND, overflow: Overflow = Overflow.SAT) -> Grid:
    """The values of a fixed-point format; `nearest` is the cast with these modes."""
    low, high = limits(form, overflow)
    scale, step = math.ldexp(1.0, form.frac), math.ldexp(1.0, -form.frac)
    return Grid(
        lambda x: quantized(x, form, rounding, overflow),
        lambda x: (x * scale).floor().clamp(low, high) * step,
        lambda x: (x * scale).ceil().clamp(low, high) * step,
    )


def channel_grid(points: Tensor, word: Word) -> Grid:
    """One word for all, a binary point for each row: nearest with ties up, saturating, as constants are cast.

    Args:
        points: fractional bits, int64[O].
        word: width and sign.
    """
    low, high = limits(FixedPoint(word.width, 0, word.signed), Overflow.SAT)
    scale, step = (power_of_two(at.reshape(-1, 1), torch.float64) for at in (points, -points))
    return Grid(
        lambda x: round_codes(x * scale, Rounding.RND).clamp(low, high) * step,
        lambda x: (x * scale).floor().clamp(low, high) * step,
        lambda x: (x * scale).ceil().clamp(low, high) * step,
    )


def _numbers(x: Tensor, form: Minifloat, points: Tensor, rounding: FloatRounding) -> Tensor:
    values = x.detach().double()
    return nearest_numbers(values, placed(form, points.to(x.device), torch.float64), rounding)


def nearest_minifloat(x: Tensor, form: Minifloat) -> Tensor:
    """`x` rounded to nearest even in `form`, saturated, float64 of the same shape."""
    return _numbers(x, form, torch.tensor(form.frac), FloatRounding.NEAREST_EVEN)


def minifloat_grid(form: Minifloat, points: Tensor | None = None) -> Grid:
    """The numbers of a minifloat, or of one a row whose lowest subnormals stand at `points`, int64[O]."""
    at = torch.tensor(form.frac) if points is None else points.reshape(-1, 1)
    return Grid(
        lambda x: _numbers(x, form, at, FloatRounding.NEAREST_EVEN),
        lambda x: _numbers(x, form, at, FloatRounding.DOWN),
        lambda x: _numbers(x, form, at, FloatRounding.UP),
    )


def weight_grids(model: QuantizedModel, forms: Mapping[str, Minifloat] | None = None) -> dict[str, tuple[Grid, ...]]:
    """The grids of every weight by the key of its layer, one for the rows of each group of a convolution.

    Args:
        model: gives the fixed-point formats.
        forms: minifloats that stand in some layers' fixed-point words, by key.

    Raises:
        UnsupportedError: as `plain_layers` does, but for minifloats.
    """
    held: Mapping[str, Minifloat] = forms or {}
    found: dict[str, tuple[Grid, ...]] = {}
    for key, layer in _layers(model, minifloats=True).items():
        groups, quantizer = getattr(layer, "groups", 1), layer.weight_quantizer
        if key in held:
            found[key] = (minifloat_grid(held[key]),) * groups
        elif isinstance(quantizer, MinifloatQuantizer):
            parts = _row_points(quantizer, layer.weight).chunk(groups)
            found[key] = tuple(minifloat_grid(quantizer.word.form, part) for part in parts)
        elif isinstance(quantizer, ConstantQuantizer):
            parts = _row_points(quantizer, layer.weight).chunk(groups)
            found[key] = tuple(channel_grid(part, quantizer.word) for part in parts)
        else:
            found[key] = (fixed_grid(quantizer.format, quantizer.rounding, quantizer.overflow),) * groups
    return found


def _choosable(quantizer: Quantizer) -> bool:
    if isinstance(quantizer, ConstantQuantizer):
        plain = type(quantizer) is ConstantQuantizer and quantizer.project is None
        return plain and quantizer.granularity is not Granularity.ELEMENT
    return type(quantizer) is Quantizer


def _row_points(quantizer: ConstantQuantizer | MinifloatQuantizer, weight: Tensor) -> Tensor:
    """Fractional bits of each row of a weight, int[O]."""
    return quantizer.positions().expand(len(weight), *weight.shape[1:]).flatten(1)[:, 0]


def plain_layers(model: QuantizedModel) -> dict[str, WeightedLayer]:
    """`weighted_layers`, of which every one must have a fixed word, a binary point a tensor or channel, and all codes.

    Raises:
        UnsupportedError: a weight has a point an element, few digits, a learned width, a minifloat or blocks.
    """
    return _layers(model, minifloats=False)


def _layers(model: QuantizedModel, minifloats: bool) -> dict[str, WeightedLayer]:
    layers = weighted_layers(model)
    for layer in layers.values():
        quantizer = layer.weight_quantizer
        if not (_choosable(quantizer) or (minifloats and isinstance(quantizer, MinifloatQuantizer))):
            raise UnsupportedError(
                "Choosing codes after training needs a fixed word, a binary point a tensor or channel and no limit of "
                f"digits, but {quantizer.place!r} is {quantizer.extra_repr()}; set granularity='channel' and leave "
                "the rest."
            )
    return layers
