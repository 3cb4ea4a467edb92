"""Quantisers of constants whose binary points are learned per tensor, per output channel or per element.

A graph's tensor has one format. Codes of finer points are folded into the narrowest format that holds them all: with
`F` the largest number of fractional bits, a code with `f` of them becomes `code << (F - f)`, which changes no value.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from flow.errors import DataError
from flow.formats import FixedPoint, Overflow, Rounding
from flow.training.kernels import Options
from flow.training.points import FAR, Project, best_points, grouped_sum, nearest_codes, point_shape, power_of_two
from flow.training.quantizer import Quantizer, check_finite
from flow.training.spec import Granularity, Word

__all__ = ["SPREAD", "ConstantQuantizer", "whole_points"]

_LN2 = math.log(2.0)
SPREAD = 24  # points lie at most so many bits right of the leftmost one, so that folded codes fit int64


class _FineQuantize(torch.autograd.Function):
    """`y = 2**-f * nearest(x * 2**f)` with a point per group and straight-through gradients.

    In range, tested on the rounded value: dy/dx = 1 and dy/df = ln2 * (x - y). Outside: 0 and -ln2 * y. Both are summed
    over the values that share a point. A projection onto fewer codes passes gradients as rounding does.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, frac: Tensor, at: Tensor, word: Word, project: Project | None, drawing: bool
    ) -> Tensor:
        rounded, nearest, codes = nearest_codes(x * power_of_two(at, x.dtype), word, project, drawing)
        y = codes * power_of_two(-at, x.dtype)
        if any(ctx.needs_input_grad):
            inside = rounded == nearest
            ctx.save_for_backward(inside, torch.where(inside, x, 0.0) - y)
            ctx.points = frac.shape
        return y

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        inside, error = ctx.saved_tensors
        by_x = upstream * inside if ctx.needs_input_grad[0] else None
        by_frac = grouped_sum(upstream * error, ctx.points) * _LN2 if ctx.needs_input_grad[1] else None
        return by_x, by_frac, None, None, None, None


def whole_points(points: Tensor, place: str) -> Tensor:
    """Points rounded and kept within +-32: int32, same shape.

    Raises:
        DataError: a point is NaN or infinite, as after a training that diverged; `place` names the tensor.
    """
    # One pass finds both ends, and NaN shows in them; codes of int32 are half the traffic of int64.
    low, high = (end.item() for end in torch.aminmax(points))
    for end in (low, high):
        if not math.isfinite(end):
            raise DataError(f"The binary point of {place!r} is {end}; the training diverged, lower its rate.")
    return points.round().clamp_(-FAR, FAR).to(torch.int32)


class ConstantQuantizer(Quantizer):
    """Casts a constant to words of one length whose binary points are the parameter `frac`; rounds and saturates.

    Args:
        word: width and sign.
        shape: of the constant.
        granularity: which values share a point.
        place: the constant it quantises, for messages.
        project: to the legal codes, where not all are.

    Attributes:
        frac: parameter of the points; the cast uses round(frac) and passes the gradient straight through.
    """

    def __init__(
        self,
        word: Word,
        shape: tuple[int, ...],
        granularity: Granularity = Granularity.TENSOR,
        place: str = "a tensor",
        project: Project | None = None,
    ) -> None:
        super().__init__(word, Rounding.RND, Overflow.SAT, place)
        self.granularity = granularity
        self.frac = nn.Parameter(torch.zeros(point_shape(shape, granularity)))
        self.project = project

    def positions(self) -> Tensor:
        """Fractional bits at present: int32, the shape of `frac`.

        Raises:
            DataError: a position is NaN or infinite, as after a training that diverged.
        """
        at = whole_points(self.frac.detach(), self.place)
        return at.clamp_(max=int(at.amin()) + SPREAD) if at.numel() > 1 else at

    @property
    def format(self) -> FixedPoint:
        """The format that holds the codes of all points: as much wider than the word as the points lie apart."""
        at = self.positions()
        low, high = int(at.amin()), int(at.amax())
        return FixedPoint(self.word.width + high - low, high, self.word.signed)

    def options(self) -> Options | None:
        plain = super().options()
        return None if plain is None or self.project is not None else plain._replace(spread=SPREAD)

    def eager(self, x: Tensor) -> Tensor:
        result: Tensor = _FineQuantize.apply(x, self.frac, self.positions(), self.word, self.project, self.drawing)
        return result

    def move_to_best(self, x: Tensor) -> None:
        """Set every point to where its values lose least; points of single values to that of the tensor."""
        self.frac.copy_(best_points(x, self.word, tuple(self.frac.shape), self.project))

    def own_codes(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Codes before folding, int64 of the shape of `x`, and their fractional bits, of the shape of `frac`."""
        at = self.positions()
        codes = nearest_codes(x.detach().double() * power_of_two(at, torch.float64), self.word, self.project)[2]
        return codes.long(), at

    def codes(self, x: Tensor) -> NDArray[np.int64]:
        """int64 codes of `x` in `format`, same shape: `forward(x) * 2**format.frac` exactly.

        Raises:
            DataError: `x` holds NaN or infinity.
        """
        check_finite(x, self.place)
        codes, at = self.own_codes(x)
        return (codes << (self.format.frac - at)).cpu().numpy()

    def freeze(self) -> None:
        """Round the points in place, and train them no further."""
        with torch.no_grad():
            self.frac.copy_(self.positions())
        self.frac.requires_grad_(False)

    def extra_repr(self) -> str:
        """What print(model) shows of it."""
        return f"{self.word} per {self.granularity.value} in {self.format}"
