"""The grid a weight may lie on, fixed point or minifloat: its neighbours below, above and nearest."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from flow.errors import UnsupportedError
from flow.formats import FixedPoint, FloatRounding, Minifloat, Overflow, Rounding, encode_minifloat
from flow.training.grid import limits, quantized
from flow.training.model import QuantizedModel
from flow.training.ptq.reference import WeightedLayer, weighted_layers
from flow.training.quantizer import Quantizer

__all__ = ["Grid", "fixed_grid", "minifloat_grid", "nearest_minifloat", "plain_layers", "weight_grids"]


@dataclass(frozen=True, slots=True)
class Grid:
    """Three maps from float64 tensors of any shape to values on the grid, same shape.

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


def _encoded(x: Tensor, form: Minifloat, rounding: FloatRounding) -> Tensor:
    codes = encode_minifloat(x.detach().double().cpu().numpy(), form, rounding, place="a weight")
    return torch.from_numpy(form.decode(codes)).to(x.device)


def nearest_minifloat(x: Tensor, form: Minifloat) -> Tensor:
    """`x` rounded to nearest even in `form`, saturated, float64 of the same shape."""
    return _encoded(x, form, FloatRounding.NEAREST_EVEN)


def minifloat_grid(form: Minifloat) -> Grid:
    """The numbers of a minifloat."""
    return Grid(
        lambda x: nearest_minifloat(x, form),
        lambda x: _encoded(x, form, FloatRounding.DOWN),
        lambda x: _encoded(x, form, FloatRounding.UP),
    )


def weight_grids(model: QuantizedModel, forms: Mapping[str, Minifloat] | None = None) -> dict[str, Grid]:
    """The grid of every weight by the key of its layer.

    Args:
        model: gives the fixed-point formats.
        forms: minifloats that stand in some layers' fixed-point words, by key.

    Raises:
        UnsupportedError: as `plain_layers` does.
    """
    held: Mapping[str, Minifloat] = forms or {}
    return {
        key: minifloat_grid(held[key]) if key in held else _grid_of(layer.weight_quantizer)
        for key, layer in plain_layers(model).items()
    }


def _grid_of(quantizer: Quantizer) -> Grid:
    return fixed_grid(quantizer.format, quantizer.rounding, quantizer.overflow)


def plain_layers(model: QuantizedModel) -> dict[str, WeightedLayer]:
    """`weighted_layers`, of which every one must have a weight with one binary point and all codes of its word.

    Raises:
        UnsupportedError: a weight has finer points, or few digits.
    """
    layers = weighted_layers(model)
    for layer in layers.values():
        quantizer = layer.weight_quantizer
        if type(quantizer) is not Quantizer:
            raise UnsupportedError(
                "Choosing codes after training needs one binary point a tensor and no limit of digits, but "
                f"{quantizer.place!r} is {quantizer.extra_repr()}; leave granularity and khot at their defaults."
            )
    return layers
