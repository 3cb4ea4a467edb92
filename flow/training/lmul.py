"""Networks that multiply by L-Mul: every product one addition of codes, as the cell `flow_lmul` makes it.

The adder takes a bias off the sum of two codes. It says which products can be told apart: as many powers of two as the
format has exponents, those above saturate and those below are zero. It costs nothing to choose, so one for the whole
network is, by the loss on training samples. Training passes gradients as if products were exact.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor
from torch.nn import functional

from flow.errors import UnsupportedError
from flow.formats import Minifloat
from flow.training.fracs import AtPoint, Constant, Frac
from flow.training.layers import FixedConv2d, FixedDense
from flow.training.model import QuantizedModel
from flow.training.outputs import Data, cross_entropy
from flow.training.straight import straight_through

__all__ = ["LMulProducts", "best_bias", "by_lmul"]

_PRODUCTS = 1 << 22  # at once
_SINGLE_MANTISSA, _SINGLE_BIAS = 23, 127
_ZERO = -(1 << 20)  # a code that no other brings above zero


class LMulProducts(AtPoint):
    """A dense layer, float[B, I] -> float[B, O], or a convolution, with the products of the packed adder.

    Args:
        layer: whose input and weights have the minifloat.
        form: the minifloat; where its binary point stands is the quantisers'.
        offset: what the adder adds, in last places of the mantissa.
        bias: what it takes off, in exponents.

    Raises:
        UnsupportedError: a convolution in groups.
    """

    def __init__(self, layer: FixedDense | FixedConv2d, form: Minifloat, offset: int, bias: int) -> None:
        super().__init__()
        if isinstance(layer, FixedConv2d) and layer.groups > 1:
            raise UnsupportedError(f"L-Mul is for convolutions of one group, not of {layer.groups}; leave them exact.")
        self.layer, self.form, self.offset, self.bias = layer, form, offset, bias

    def constants(self) -> tuple[Constant, ...]:
        return self.layer.constants()

    def point(self, *given: Frac) -> Frac:
        return self.layer.point(*given)

    def forward(self, x: Tensor, frac: Frac) -> Tensor:
        if frac is None:  # of a network without quantisers, which has no codes to add
            exact: Tensor = self.layer(x)
            return exact
        weight, *rest = (held(values) for values, held in self.constants())
        with torch.no_grad():
            shown = self._summed(x, weight, frac)
            for bias in rest:
                shown += bias.view(-1, *([1] * (shown.ndim - 2)))
        return straight_through(self.layer.computed(x, weight, *rest), shown)

    def _summed(self, x: Tensor, weight: Tensor, frac: int) -> Tensor:
        """Sums of products for every result."""
        layer, points = self.layer, self.layer.weight_quantizer.positions().flatten()
        numbers = (weight.flatten(1) * torch.exp2(points.view(-1, 1).to(x.dtype))).to(torch.float32)
        # Of the lowest subnormal of a product: that of codes whose bias is the adder's.
        at = points + (frac - self.bias + 1 - self.form.mantissa)
        if isinstance(layer, FixedDense):
            return self._products(x * 2.0**frac, numbers) * torch.exp2(-at.to(x.dtype))
        size = weight.shape[2:]
        columns = functional.unfold(x * 2.0**frac, size, layer.dilation, layer.padding, layer.stride)
        sums = self._products(columns.transpose(1, 2).flatten(0, 1), numbers) * torch.exp2(-at.to(x.dtype))
        shape = functional.conv2d(x[:1], weight, None, layer.stride, layer.padding, layer.dilation).shape[1:]
        return sums.view(len(x), -1, len(weight)).transpose(1, 2).reshape(len(x), *shape)

    def _products(self, rows: Tensor, weight: Tensor) -> Tensor:
        """float[N, K], float[O, K], multiples of the lowest subnormals -> float[N, O], those of the product's."""
        size = max(1, _PRODUCTS // weight.numel())
        codes, signs = self._packed(weight), torch.sign(weight)
        return torch.cat([self._some(part, codes, signs) for part in rows.to(torch.float32).split(size)])

    def _packed(self, numbers: Tensor) -> Tensor:
        """int32 codes of magnitudes without sign; zeros and subnormals count as zero."""
        steps = 1 << self.form.mantissa
        fraction, exponent = torch.frexp(numbers.abs())
        codes = ((exponent - self.form.mantissa) + (2 * fraction - 1)) * steps
        return torch.where(numbers.abs() < steps, _ZERO, codes.to(torch.int32))

    def _some(self, rows: Tensor, codes: Tensor, signs: Tensor) -> Tensor:
        mantissa, steps = self.form.mantissa, 1 << self.form.mantissa
        constant = self.offset - self.bias * steps
        total = self._packed(rows)[:, None] + (codes + constant)
        total.clamp_(max=(1 << (self.form.exponent + mantissa)) - 1)
        # The same fields as those of a single-precision number, whose bias and mantissa are larger.
        fields = (total + (_SINGLE_BIAS + mantissa - 1) * steps) << (_SINGLE_MANTISSA - mantissa)
        numbers = torch.where(total < steps, 0.0, fields.view(torch.float32)) * signs
        return torch.bmm(numbers, torch.sign(rows)[:, :, None])[:, :, 0]


def by_lmul(model: QuantizedModel, form: Minifloat, offset: int, bias: int) -> QuantizedModel:
    """A copy of a network whose dense layers and convolutions multiply by L-Mul; arguments as of `LMulProducts`."""
    made = copy.deepcopy(model)
    for key, layer in made.layers.items():
        if isinstance(layer, FixedDense | FixedConv2d):
            made.layers[key] = LMulProducts(layer, form, offset, bias)
    return made


def best_bias(model: QuantizedModel, form: Minifloat, offset: int, samples: Data) -> int:
    """The bias of least loss on samples, of equals the lowest: from 0, where products of the lowest normal numbers
    count, to where those of the highest do not saturate.
    """
    return min(range(1 << form.exponent), key=lambda bias: cross_entropy(by_lmul(model, form, offset, bias), samples))
