"""What a model costs as shifts and additions, with a slope in word lengths, and the price of every digit.

In the spatial architecture a product with a constant is one addition for each digit of its code that is not zero. An
addition is as wide as what it adds, and a little wider further down the tree of a sum. So a layer takes

    sum over weights of  digits * (width of what the weight meets + growth)  -  one first term a row

bits of adders, its biases that are not zero `width + growth` each, and every cast a bit for each bit of its results and
one for the overflow; a convolution takes that for every position. Digits, K and pruning enter through the price that
each digit has (`flow.training.priced`), word lengths of casts through their own slopes. The sharing of additions that
the solver finds later is left out: it moves slowly with the size, and a measurement of the design itself settles it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import torch
from torch import Tensor

from flow.training.layers import Cast, FixedConv2d, FixedDense, FixedFlatten, FixedMaxPool2d, FixedRelu
from flow.training.model import QuantizedModel
from flow.training.priced import PricedConstant
from flow.training.priced_tables import PricedTables
from flow.training.truth_tables import FixedLutDense

__all__ = ["Calibration", "Charge", "SpatialCost", "calibration"]


@dataclass(frozen=True, slots=True)
class Calibration:
    """From synthesised designs, which `data/additions.json` lists.

    Attributes:
        growth: bits by which an addition takes more than what the constant meets; chosen.
        scale: LUTs of a bit by itself.
        power: of the bits; both by least squares at that growth.
    """

    growth: float
    scale: float
    power: float

    def luts(self, bits: float) -> float:
        """LUTs of so many adder bits."""
        return float(self.scale * bits**self.power)

    def bits(self, luts: float) -> float:
        """Adder bits of so many LUTs."""
        return float((luts / self.scale) ** (1 / self.power))


@cache
def calibration() -> Calibration:
    """The stored fit."""
    held = json.loads((files("flow.training") / "data" / "additions.json").read_text())
    return Calibration(held["growth"], held["scale"], held["power"])


@dataclass(frozen=True, slots=True)
class Charge:
    """What a digit of one constant costs.

    Attributes:
        values: the constant.
        held: its quantiser.
        bits: adder bits a digit, a tensor that broadcasts to `values`.
    """

    values: Tensor
    held: PricedConstant | PricedTables
    bits: Tensor


class SpatialCost:
    """Adder bits of a model in the spatial architecture.

    Args:
        model: its constants may be priced or not; those that are not count with the digits of their present codes.
    """

    def __init__(self, model: QuantizedModel) -> None:
        self.model, self.growth = model, calibration().growth
        held = model.training
        model.eval()
        first = next(model.parameters())
        with torch.no_grad():
            values = model.values(torch.zeros((1, *model.shape), device=first.device, dtype=first.dtype))
        model.train(held)
        self.shapes = [tuple(value.shape[1:]) for value in values]
        self.charges: list[Charge] = []

    @property
    def products(self) -> int:
        """Products with a constant that a sample takes, whatever the constants are."""
        found = 0
        for step, shape in zip(self.model.steps, self.shapes, strict=True):
            layer = self.model.layers[step.layer]
            if isinstance(layer, (FixedDense, FixedConv2d)):
                found += layer.weight.numel() * math.prod(shape[1:])
        return found

    def __call__(self, model: Any = None) -> Tensor:
        """Bits, a scalar with a gradient to learned lengths of casts; sets `charges`."""
        self.charges = []
        widths: list[Tensor] = []
        total = torch.zeros((), device=next(self.model.parameters()).device)
        for step, shape in zip(self.model.steps, self.shapes, strict=True):
            layer = self.model.layers[step.layer]
            given = [widths[index] for index in step.inputs]
            shapes = [self.shapes[index] for index in step.inputs]
            if isinstance(layer, (FixedDense, FixedConv2d)):
                total = total + self._products(layer, given[0], math.prod(shape[1:]))
                widths.append(torch.zeros(()))  # sums are cast before anything multiplies them
            elif isinstance(layer, FixedLutDense):
                total = total + self._tables(layer, math.prod(shape[:-1]))
                widths.append(torch.zeros(()))
            elif isinstance(layer, Cast):
                widths.append(layer.quantizer.bits())
                # The host casts the input.
                total = total + ((widths[-1] + 1) * (widths[-1] > 0)).expand(shape).sum() * bool(step.inputs)
            else:
                widths.append(_passed(layer, given, shapes))
        return total

    def _products(self, layer: FixedDense | FixedConv2d, width: Tensor, positions: int) -> Tensor:
        bits = (width + self.growth) * (width > 0)
        if isinstance(layer, FixedDense):
            bits = bits.expand(layer.weight.shape[1])
        else:
            bits = (_channels(bits).mean() if layer.groups > 1 else _channels(bits)).view(-1, 1, 1)
        digits = _digits(layer.weight_quantizer, layer.weight)
        rows = digits.flatten(1)
        terms = (digits * bits).flatten(1).sum(dim=1)
        first = terms / rows.sum(dim=1).clamp(min=1)  # the mean term of a row: n terms take n - 1 additions
        self._charge(layer.weight_quantizer, layer.weight, bits.detach() * positions)
        total = (terms - first).sum()
        if layer.bias is not None:
            wide = float(bits.detach().mean())
            self._charge(layer.bias_quantizer, layer.bias, torch.tensor(wide * positions))
            total = total + (_digits(layer.bias_quantizer, layer.bias) > 0).sum() * wide
        return total * positions

    def _tables(self, layer: FixedLutDense, positions: int) -> Tensor:
        values = layer.tables().detach() if layer.seen is None else layer.seen
        self._charge(layer.quantizer, values, torch.tensor(float(positions)))
        return layer.adder_bits().sum() * positions

    def _charge(self, held: Any, values: Tensor, bits: Tensor) -> None:
        if isinstance(held, PricedConstant | PricedTables):
            self.charges.append(Charge(values, held, bits))


def _digits(held: Any, values: Tensor) -> Tensor:
    """Signed digits of every code, a float of the shape of `values`."""
    if isinstance(held, PricedConstant):
        return held.bought.to(values.dtype)
    codes = torch.from_numpy(held.codes(values.detach())).to(values.device).abs()
    bits, count = codes ^ (3 * codes), torch.zeros_like(codes)
    while bool((bits > 0).any()):
        bits, count = bits >> 1, count + (bits & 1)
    return count.to(values.dtype)


def _channels(bits: Tensor) -> Tensor:
    """One figure a channel of [C, H, W], or one for all."""
    return bits.flatten(1).mean(dim=1) if bits.ndim == 3 else bits


def _flat(widths: list[Tensor], shapes: list[tuple[int, ...]]) -> Tensor:
    return widths[0].expand(shapes[0]).flatten() if widths[0].ndim else widths[0]


def _pooled(widths: list[Tensor], shapes: list[tuple[int, ...]]) -> Tensor:
    return widths[0].flatten(1).mean(dim=1).view(-1, 1, 1) if widths[0].ndim == 3 else widths[0]


_PASSED: dict[type[Any], Callable[[list[Tensor], list[tuple[int, ...]]], Tensor]] = {
    FixedRelu: lambda widths, shapes: widths[0],
    FixedFlatten: _flat,
    FixedMaxPool2d: _pooled,
}


def _passed(layer: Any, widths: list[Tensor], shapes: list[tuple[int, ...]]) -> Tensor:
    """Widths behind a layer that adds nothing; the mean of what it is given where elements change places."""
    known = _PASSED.get(type(layer))
    if known is not None:
        return known(widths, shapes)
    return torch.stack([width.mean() for width in widths]).mean()
