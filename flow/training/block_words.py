"""Blocks that share a scale, as in OCP MX and NVFP4, while training: the scales follow from the values of each cast.

Blocks lie along axis 1, over which a layer sums: the inputs of a Linear, and the channels of a convolution, one block
for each place of the kernel or of the image. That is the reduction axis of the OCP text, and axis 1 of microxcaling.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from flow.errors import DataError, UnsupportedError
from flow.formats import INT64_BITS, BlockFormat, FixedPoint, FloatRounding, Minifloat, Overflow, Rounding
from flow.training.grid import round_codes, round_randomly
from flow.training.minifloat_grid import nearest_numbers, placed
from flow.training.points import power_of_two
from flow.training.quantizer import Quantizer
from flow.training.straight import straight_through
from flow.training.words import BlockWord

__all__ = ["BlockQuantizer"]

_EXPONENTS = (-100, 100)  # of E8M0 scales while training, so that float32 holds what is below them
_EVEN = FloatRounding.NEAREST_EVEN


@dataclass(frozen=True, slots=True)
class _Blocks:
    """Values `[..., blocks, block]`, zeros behind the last, and what each block is divided by, `[..., blocks, 1]`."""

    values: Tensor
    factors: Tensor


def _tensor_scale(x: Tensor, form: BlockFormat) -> Tensor:
    """The power of two that brings the largest scale of the tensor next below the largest scale there is: a scalar.

    flow.formats takes the float32 that brings it there exactly; a power of two loses nothing, as the scales of the
    blocks have exponents themselves, and the products of the two stay short.
    """
    one = torch.ones((), dtype=x.dtype, device=x.device)
    if not form.tensor_scale:
        return one
    top = form.highest * (float(form.scale.high) if isinstance(form.scale, Minifloat) else 1.0)
    mantissa, exponent = torch.frexp(x.abs().amax() / top)
    raised = torch.ldexp(one, exponent - (mantissa == 0.5).to(exponent.dtype))
    return torch.where(mantissa > 0, raised, one)


def _blocks(x: Tensor, form: BlockFormat) -> _Blocks:
    """`x` in blocks along axis 1 with the scales of `flow.formats.block_scales`, each times that of the tensor."""
    rows = x.movedim(1, -1)
    values = functional.pad(rows, (0, -rows.shape[-1] % form.block)).unflatten(-1, (-1, form.block))
    tensor = _tensor_scale(x, form)
    largest = values.abs().amax(dim=-1, keepdim=True) / tensor
    if isinstance(form.scale, Minifloat):
        at = torch.tensor(form.scale.frac, device=x.device)
        return _Blocks(values, nearest_numbers(largest / form.highest, placed(form.scale, at, x.dtype), _EVEN) * tensor)
    exponents = torch.frexp(largest)[1] - 1 - form.highest_exponent
    return _Blocks(values, power_of_two(exponents.clamp(*_EXPONENTS), x.dtype) * tensor)


def _elements(quotients: Tensor, form: BlockFormat, drawing: bool) -> Tensor:
    """Quotients rounded to elements, saturated: same shape."""
    element = form.element
    if isinstance(element, Minifloat):
        at = torch.tensor(element.frac, device=quotients.device)
        return nearest_numbers(quotients, placed(element, at, quotients.dtype), None if drawing else _EVEN)
    codes = quotients * 2.0**element.frac
    rounded = round_randomly(codes) if drawing else round_codes(codes, Rounding.RND_CONV)
    return rounded.clamp(-element.high, element.high) * 2.0**-element.frac


def _finest(values: Tensor) -> int:
    """The fewest fractional bits with which every value is whole; 0 where all are 0."""
    mantissa, exponent = torch.frexp(values[values != 0].double())
    if not mantissa.numel():
        return 0
    digits = (mantissa * 2.0**53).long()
    trailing = torch.frexp((digits & -digits).double())[1] - 1
    return 53 - int((exponent + trailing).amin())


class BlockQuantizer(Quantizer):
    """Casts float[N, K, ...] to blocks along K. It has no binary point: the values themselves set the scales.

    Args:
        word: elements, block length and scale.
        place: the tensor it quantises, for messages.

    Attributes:
        held: width and fractional bits of the fixed-point format that holds all that was cast last, int64[2].
    """

    held: Tensor

    def __init__(self, word: BlockWord, place: str = "a tensor") -> None:
        super().__init__(word, Rounding.RND_CONV, Overflow.SAT_SYM, place)
        del self.frac
        self.register_buffer("held", torch.tensor([word.width, 0]))

    @property
    def format(self) -> FixedPoint:
        """The fixed-point format that holds all that was cast last exactly."""
        width, frac = self.held.tolist()
        return FixedPoint(width, frac)

    def forward(self, x: Tensor) -> Tensor:
        """`x` as elements times scales, same shape."""
        # No value leaves its range for good: where it is cut off, its own growth raises the scale of its block.
        return straight_through(x, self._cast(x.detach(), self.drawing))

    def _cast(self, x: Tensor, drawing: bool) -> Tensor:
        form = self.word.form
        # A scale that is no power of two makes quotients that are rounded, but none onto a tie of the elements: the tie
        # times the few bits of the scale is a float itself, and no other float is divided to it.
        blocks = _blocks(x, form)
        usable = blocks.factors > 0
        quotients = torch.where(usable, blocks.values, 0.0) / torch.where(usable, blocks.factors, 1.0)
        values = _elements(quotients, form, drawing) * blocks.factors
        self._hold(values)
        return values.flatten(-2)[..., : x.shape[1]].movedim(-1, 1)

    def _hold(self, values: Tensor) -> None:
        """Remember the narrowest format of these values; NaN and infinity have none, and training names them itself."""
        if values.numel() and bool(values.isfinite().all()):
            frac = _finest(values)
            high = int(float(values.abs().amax()) * 2.0**frac)
            self.held.copy_(torch.tensor([FixedPoint.holding(-max(high, 1), high, frac).width, frac]))

    def follow(self, x: Tensor) -> None:
        self._cast(x.detach(), drawing=False)

    def move_to_best(self, x: Tensor) -> None:
        """Nothing: the scales follow from the values."""

    def codes(self, x: Tensor) -> NDArray[np.int64]:
        """int64 codes of `x` in `format`, same shape: `forward(x) * 2**format.frac` exactly, forward in eval mode.

        Raises:
            DataError: `x` holds NaN or infinity.
            UnsupportedError: the format is wider than 62 bits.
        """
        if not bool(torch.isfinite(x).all()):
            raise DataError(f"Blocks hold finite numbers only, but {self.place!r} holds NaN or infinity.")
        values, form = self._cast(x.detach().double(), drawing=False).cpu().numpy(), self.format
        if form.width > INT64_BITS:
            raise UnsupportedError(
                f"A constant has at most {INT64_BITS} bits in fixed point, but the scales of {self.word} lie so far "
                f"apart in {self.place!r} that it needs {form.width}; choose a narrower format or clip the weights."
            )
        return np.ldexp(values, form.frac).astype(np.int64)

    def points(self) -> list[torch.nn.Parameter]:
        """None."""
        return []

    def bits(self) -> Tensor:
        """Bits of an element with its share of the scale."""
        return torch.tensor(self.word.form.bits_per_element)

    def freeze(self) -> None:
        """Nothing: there is no point."""

    def extra_repr(self) -> str:
        """What print(model) shows of it."""
        return f"{self.word} in {self.format}"
