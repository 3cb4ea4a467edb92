"""Casts between layers with a binary point, or a whole word, for each channel or each element of a sample."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from flow.formats import FixedPoint, Overflow, Rounding
from flow.training.constants import whole_points
from flow.training.grid import limits, overflow_codes, round_codes, round_randomly
from flow.training.points import SEARCH, point_shape, power_of_two
from flow.training.quantizer import Quantizer, check_finite
from flow.training.spec import Granularity
from flow.training.widths import SATURATING, LearnedWord, word_ends
from flow.training.words import Word

__all__ = ["GroupedCast"]

_REACH = 24  # binary points stay within +-24, as do the magnitude bits of learned words
_SPREAD = 8  # points lie at most so many bits right of the leftmost one, so that a sum over all of them stays short


class GroupedCast(Quantizer):
    """Casts float[B, *shape] to words of one length, or of learned lengths, whose binary points differ by group.

    The graph has one format for all: codes of finer points are shifted left to the finest, as in `RequantizeEach`.

    Args:
        word: sign and length, or the length from which training starts.
        rounding: of the cast.
        overflow: of the cast; where it wraps or jumps, learned integer bits cover the largest value of training.
        place: the tensor it casts, for messages.
        shape: of one sample; axis 0 is the channel.
        granularity: CHANNEL or ELEMENT.
        learned: whether lengths are trained too; a group without bits is pruned, its values are 0.

    Attributes:
        frac: parameter of fractional bits, by group.
        integer: integer bits without the sign where lengths are learned: a parameter, or a buffer.
    """

    def __init__(
        self,
        word: Word,
        rounding: Rounding,
        overflow: Overflow,
        place: str,
        shape: tuple[int, ...],
        granularity: Granularity,
        learned: bool,
    ) -> None:
        super().__init__(word, rounding, overflow, place)
        self.granularity, self.learned = granularity, learned
        self.trained = learned and overflow in SATURATING
        self.following = learned and not self.trained
        self.frac = nn.Parameter(torch.zeros(point_shape(shape, granularity)))
        start = torch.full_like(self.frac.detach(), word.width - word.signed)
        if self.trained:
            self.integer = nn.Parameter(start)
        elif learned:
            self.register_buffer("integer", start)

    def points(self) -> list[nn.Parameter]:
        """Fractional bits, and integer bits where they are trained."""
        return [self.frac, self.integer] if self.trained else [self.frac]

    def positions(self) -> Tensor:
        """Fractional bits at present: int32, the shape of `frac`."""
        at = whole_points(self.frac.detach(), self.place).clamp(-_REACH, _REACH)
        return at.clamp(max=int(at.amin()) + _SPREAD)

    def magnitudes(self) -> Tensor:
        """Bits without the sign at present, 0 and less for pruned groups: integers of the shape of `frac`."""
        if not self.learned:
            return torch.full_like(self.positions(), self.word.width - self.word.signed)
        return (whole_points(self.integer.detach(), self.place) + self.positions()).clamp(max=_REACH)

    def widths(self) -> Tensor:
        """Word lengths at present, 0 where pruned: integers of the shape of `frac`."""
        held = self.magnitudes()
        return (held + self.word.signed) * (held > 0) if self.learned else held + self.word.signed

    def bits(self) -> Tensor:
        """Word lengths, the shape of `frac`; a bit more or less moves `frac` and `integer` by one."""
        held = self.widths()
        if not self.learned:
            return held.to(self.frac.dtype)
        moved = self.frac - self.frac.detach() + (self.integer - self.integer.detach())
        return (held + moved) * (held > 0)

    @property
    def format(self) -> FixedPoint:
        """The format that holds the codes of all groups that are not pruned, at the finest point."""
        at, widths = self.positions(), self.widths()
        live = widths > 0
        if not bool(live.any()):
            return FixedPoint(1, 0, self.word.signed)
        finest = int(at[live].amax())
        return FixedPoint(int((widths - at)[live].amax()) + finest, finest, self.word.signed)

    def forward(self, x: Tensor) -> Tensor:
        """`x` on the grids of its groups, same shape; while calibrating, points and lengths start anew first."""
        with torch.no_grad():
            if self.calibrate:
                self.move_to_best(x)
            if self.following and (self.calibrate or self.training):
                self._follow(x)
            at = self.positions()
            v = x * power_of_two(at, x.dtype)
            rounded = round_randomly(v) if self.drawing else round_codes(v, self.rounding)
            ends = self._ends(at, x.dtype)
            y = self._overflown(rounded) * ends[2]
        # A word of given length loses an integer bit with each fractional bit it wins.
        integer = self.integer if self.learned else self.word.width - self.word.signed - self.frac
        result: Tensor = LearnedWord.apply(x, self.frac, integer, y, rounded, ends)
        return result

    def _ends(self, at: Tensor, dtype: torch.dtype) -> tuple[Tensor, ...]:
        if self.learned:
            return word_ends(at, self.magnitudes(), self.word.signed, self.overflow is Overflow.SAT_SYM, dtype)
        low, high = limits(FixedPoint(self.word.width, 0, self.word.signed), self.overflow)
        step = power_of_two(-at, dtype)
        return torch.full_like(step, low), torch.full_like(step, high), step

    def _overflown(self, rounded: Tensor) -> Tensor:
        """Codes brought into the word of their group, length by length."""
        widths, found = self.widths(), torch.zeros_like(rounded)
        for width in widths.unique().tolist():
            if width:
                form = FixedPoint(width, 0, self.word.signed)
                found = torch.where(widths == width, overflow_codes(rounded, form, self.overflow), found)
        return found

    def rows(self, x: Tensor) -> Tensor:
        """float[groups, N]: the values that share a point."""
        return x.detach().movedim(0, -1).reshape(self.frac.numel(), -1)

    def _follow(self, x: Tensor) -> None:
        rows, at = self.rows(x), self.positions().reshape(-1, 1)
        largest = round_codes(rows * power_of_two(at, x.dtype), Rounding.RND).abs().amax(1, keepdim=True)
        needed = torch.frexp(largest)[1] - at
        self.integer.copy_(torch.maximum(self.integer, needed.view_as(self.integer).to(self.integer.dtype)))

    def move_to_best(self, x: Tensor) -> None:
        """Set every point to where its values lose least, the smallest of equals; lengths start as given."""
        values, magnitude = self.rows(x).double(), self.word.width - self.word.signed
        form = FixedPoint(self.word.width, 0, self.word.signed)
        largest = values.abs().amax(1, keepdim=True)
        highest = magnitude - torch.frexp(largest)[1]
        best, least = highest, torch.full_like(largest, torch.inf)
        for offset in SEARCH:
            at = (highest + offset).clamp(-_REACH, _REACH)
            codes = round_codes(values * power_of_two(at, torch.float64), self.rounding)
            found = overflow_codes(codes, form, self.overflow) * power_of_two(-at, torch.float64)
            error = (found - values).square().sum(1, keepdim=True)
            best, least = torch.where(error < least, at, best), torch.minimum(error, least)
        # A group that is 0 throughout says nothing of its point; the leftmost of the others widens no format.
        some = largest > 0
        rest = best[some].amin() if bool(some.any()) else torch.tensor(magnitude)
        self.frac.copy_(torch.where(some, best, rest).view_as(self.frac))
        self.frac.copy_(self.positions())
        if self.learned:
            self.integer.copy_(magnitude - self.frac)

    def codes(self, x: Tensor) -> NDArray[np.int64]:
        """int64 codes of `x`, float[B, ...], in `format`: `forward(x) * 2**format.frac` exactly, forward in eval mode.

        Raises:
            DataError: `x` holds NaN or infinity.
        """
        check_finite(x, self.place)
        at = self.positions()
        rounded = round_codes(x.detach().double() * power_of_two(at, torch.float64), self.rounding)
        lift = (self.format.frac - at).clamp(min=0)  # a pruned group may lie further right, its codes are 0
        return (self._overflown(rounded).long() << lift).cpu().numpy()

    def freeze(self) -> None:
        """Round points and lengths in place, and train them no further."""
        with torch.no_grad():
            self.frac.copy_(self.positions())
            if self.learned:
                self.integer.copy_(whole_points(self.integer, self.place))
        self.following = False
        for point in self.points():
            point.requires_grad_(False)

    def extra_repr(self) -> str:
        """What print(model) shows of it."""
        return f"{self.word} per {self.granularity.value} in {self.format}"
