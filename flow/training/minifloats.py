"""The trainable minifloat: its split into exponent and mantissa is given, its binary point is trained.

Moving the binary point moves the exponent's bias, which costs no hardware. Every number is a whole multiple of the
lowest subnormal, so constants lower as wide fixed-point codes, and casts as `RequantizeMinifloat`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from flow.errors import DataError, UnsupportedError
from flow.formats import INT64_BITS, FixedPoint, FloatRounding, Minifloat, Overflow, Rounding
from flow.training.constants import SPREAD, whole_points
from flow.training.kernels import Options
from flow.training.kernels.options import MINIFLOAT, OVERFLOWS
from flow.training.minifloat_grid import Placed, nearest_numbers, placed
from flow.training.points import FAR, SEARCH, group_max, grouped_sum, point_shape
from flow.training.quantizer import Quantizer
from flow.training.spec import Granularity
from flow.training.words import MinifloatWord

__all__ = ["MinifloatQuantizer", "best_minifloat_points"]

_LN2 = math.log(2.0)


class _ToMinifloat(torch.autograd.Function):
    """`y = 2**-f * m(x * 2**f)`, `m` the nearest number, with straight-through gradients.

    Between the lowest and the highest number m'(v) = 1: dy/dx = 1 and dy/df = ln2 * (x - y). Outside m is constant:
    dy/dx = 0 and dy/df = -ln2 * y. Both slopes to f are summed over the values that share a point.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, frac: Tensor, grid: Placed, rounding: FloatRounding | None) -> Tensor:
        y = nearest_numbers(x, grid, rounding)
        if any(ctx.needs_input_grad):
            inside = _inside(x, grid)
            error = x - y if inside is None else torch.where(inside, x, 0.0).sub_(y)
            ctx.points = frac.shape
            ctx.save_for_backward(error, inside)
        return y

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        error, inside = ctx.saved_tensors
        by_x = by_frac = None
        if ctx.needs_input_grad[0]:
            by_x = upstream if inside is None else upstream * inside
        if ctx.needs_input_grad[1]:
            by_frac = grouped_sum(upstream * error, ctx.points) * _LN2
        return by_x, by_frac, None, None


def _inside(x: Tensor, grid: Placed) -> Tensor | None:
    """Which values lie between the lowest and the highest number; None where all do, which one pass finds out."""
    if not grid.high.ndim and x.numel():
        low, high = torch.aminmax(x)
        if bool((low >= grid.low) & (high <= grid.high)):
            return None
    return (x >= grid.low) & (x <= grid.high)


def best_minifloat_points(x: Tensor, word: MinifloatWord, shape: tuple[int, ...], rounding: FloatRounding) -> Tensor:
    """For each group the fractional bits that lose least in squared error, the smallest of equals: int64 of `shape`.

    Args:
        x: float tensor, any shape.
        word: the minifloat.
        shape: of the points, from `point_shape`.
        rounding: which neighbour is taken.
    """
    values = x.detach().double()
    largest = group_max(values.abs(), shape)
    length = word.form.highest_integer.bit_length()
    highest = length - torch.frexp(largest)[1].long()
    best, least = _near(highest, word), torch.full_like(largest, torch.inf)
    for offset in SEARCH:
        position = _near(highest + offset, word)
        found = nearest_numbers(values, placed(word.form, position, torch.float64), rounding)
        error = grouped_sum((found - values).square(), shape)
        best = torch.where(error < least, position, best)
        least = torch.minimum(error, least)
    return torch.where(largest == 0, length, best)


def _near(at: Tensor, word: MinifloatWord) -> Tensor:
    """Positions within +-32 of where the usual bias has its lowest subnormal."""
    return at.clamp(word.form.frac - 32, word.form.frac + 32)


class MinifloatQuantizer(Quantizer):
    """Casts a tensor to a minifloat whose binary point is the parameter `frac`; saturates.

    Args:
        word: the split into exponent and mantissa, the sign, and the specials, which no value becomes.
        shape: of a constant; casts have none.
        granularity: which values of a constant share a point: all, or those of a channel.
        rounding: which neighbour is taken.
        place: the tensor it quantises, for messages.

    Attributes:
        frac: parameter of the fractional bits of the lowest subnormal; the cast uses round(frac).
    """

    def __init__(
        self,
        word: MinifloatWord,
        shape: tuple[int, ...] = (),
        granularity: Granularity = Granularity.TENSOR,
        rounding: FloatRounding = FloatRounding.NEAREST_EVEN,
        place: str = "a tensor",
    ) -> None:
        super().__init__(word, Rounding.RND_CONV, Overflow.SAT_SYM, place)
        self.float_rounding = rounding
        self.frac = nn.Parameter(torch.full(point_shape(shape, granularity), float(word.form.frac)))

    def positions(self) -> Tensor:
        """Fractional bits of the lowest subnormal at present: int32, the shape of `frac`.

        Raises:
            DataError: a position is NaN or infinite, as after a training that diverged.
        """
        usual = self.word.form.frac
        at = whole_points(self.frac.detach() - usual, self.place) + usual
        return at.clamp_(max=int(at.amin()) + SPREAD) if at.numel() > 1 else at

    @property
    def minifloat(self) -> Minifloat:
        """The minifloat at the present position; with several, that of the finest."""
        return self.word.at(int(self.positions().amax()))

    @property
    def format(self) -> FixedPoint:
        """The fixed-point format that holds the numbers at all positions exactly."""
        at, form = self.positions(), self.word.form
        finest = int(at.amax())
        high = form.highest_integer << (finest - int(at.amin()))
        return FixedPoint.holding(-high if form.signed else 0, high, finest)

    def options(self) -> Options | None:
        form = self.word.form
        if self.drawing or self.float_rounding is not FloatRounding.NEAREST_EVEN or not form.mantissa:
            return None
        near = {"usual": form.frac, "far": FAR, "spread": SPREAD}
        ends = {"mantissa": form.mantissa, "highest": float(form.highest_integer)}
        return Options(MINIFLOAT, OVERFLOWS[Overflow.SAT_SYM], int(form.signed), **near, **ends)

    def eager(self, x: Tensor) -> Tensor:
        grid = placed(self.word.form, self.positions(), x.dtype)
        result: Tensor = _ToMinifloat.apply(x, self.frac, grid, None if self.drawing else self.float_rounding)
        return result

    def move_to_best(self, x: Tensor) -> None:
        """Set every point to where its values lose least."""
        self.frac.copy_(best_minifloat_points(x, self.word, tuple(self.frac.shape), self.float_rounding))

    def codes(self, x: Tensor) -> NDArray[np.int64]:
        """int64 codes of `x` in `format`, same shape: `forward(x) * 2**format.frac` exactly, forward in eval mode.

        Raises:
            DataError: `x` holds NaN or infinity.
            UnsupportedError: the format is wider than 62 bits.
        """
        form = self.format
        if not bool(torch.isfinite(x).all()):
            raise DataError(f"A minifloat holds finite numbers only, but {self.place!r} holds NaN or infinity.")
        if form.width > INT64_BITS:
            raise UnsupportedError(
                f"A constant has at most {INT64_BITS} bits in fixed point, but {self.word} needs {form.width} for "
                f"{self.place!r}; choose fewer exponent bits."
            )
        grid = placed(self.word.form, self.positions(), torch.float64)
        numbers = nearest_numbers(x.detach().double(), grid, self.float_rounding)
        return (numbers * math.ldexp(1.0, form.frac)).to(torch.int64).cpu().numpy()

    def freeze(self) -> None:
        """Round the points in place, and train them no further."""
        with torch.no_grad():
            self.frac.copy_(self.positions())
        self.frac.requires_grad_(False)

    def extra_repr(self) -> str:
        """What print(model) shows of it."""
        shared = "a channel" if self.frac.ndim else "a tensor"
        return f"{self.word} with a point {shared} in {self.format}, {self.float_rounding.value}"
