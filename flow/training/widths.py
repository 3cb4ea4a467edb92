"""Quantisers that learn their word lengths: fractional bits `f` and integer bits `i`, a width of `i + f` and a sign.

Two ways to the integer bits, by the overflow mode. Where it saturates, `i` is trained. Where it wraps or jumps, `i`
covers the largest value and only `f` is trained, since no slope across a wrap means anything. A constant with
`i + f <= 0` has no bits: it is pruned, its code is 0. Parametrisation as in HGQ (arXiv 2405.00645).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from flow.formats import FixedPoint, Overflow, Rounding
from flow.training.constants import ConstantQuantizer, whole_points
from flow.training.grid import overflow_codes, round_codes
from flow.training.kernels import Options
from flow.training.points import FAR, group_max, grouped_sum, power_of_two
from flow.training.quantizer import Quantizer
from flow.training.spec import Granularity, Word

__all__ = ["SATURATING", "LearnedCast", "LearnedConstant", "LearnedWord", "word_ends"]

_LN2 = math.log(2.0)
_LONGEST = 24  # magnitude bits of a learned word, so that folded codes of two points fit int64
_PRUNED = -2 * FAR - 1  # no sum of two points is less: magnitude bits may be any number below 1
SATURATING = (Overflow.SAT, Overflow.SAT_SYM)


class LearnedWord(torch.autograd.Function):
    """Passes `y` on, the cast of `x`, with straight-through gradients to `x`, `f` and `i` per group.

    In range: dy/dx = 1, dy/df = ln2 * (x - y). Above it the nearest value is 2**i - 2**-f: dy/di = ln2 * 2**i and
    dy/df = ln2 * 2**-f. Below it is -2**i, or the mirror of the upper end, or 0 in an unsigned word, and the slopes are
    of that. Modes that jump go back as saturation does. A pruned value is in range: dy/df = ln2 * x, and nothing for i.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, frac: Tensor, integer: Tensor, y: Tensor, rounded: Tensor, ends: tuple[Tensor, ...]
    ) -> Tensor:
        ctx.points, ctx.at = frac.shape, _outside(rounded, ends)
        ctx.save_for_backward(*_slopes(x - y, rounded, ends, ctx.at))
        return y

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        to_frac, to_integer = ctx.saved_tensors
        by_x = by_frac = by_integer = None
        if ctx.needs_input_grad[0]:
            by_x = upstream.index_put(ctx.at, upstream.new_zeros(()))
        if ctx.needs_input_grad[1]:
            by_frac = grouped_sum(upstream * to_frac, ctx.points) * _LN2
        if ctx.needs_input_grad[2]:
            spread = torch.zeros_like(upstream).index_put(ctx.at, upstream[ctx.at] * to_integer)
            by_integer = grouped_sum(spread, ctx.points) * _LN2
        return by_x, by_frac, by_integer, None, None, None


def _outside(rounded: Tensor, ends: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Indices of the values beyond the ends of their word, pruned ones left out: few, so that what follows is cheap."""
    low, high, _ = ends
    at = ((rounded < low) | (rounded > high)).nonzero(as_tuple=True)
    live = high.expand(rounded.shape)[at] > 0
    return tuple(index[live] for index in at)


def _slopes(error: Tensor, rounded: Tensor, ends: tuple[Tensor, ...], at: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
    """dy/df over ln2 of every value, and dy/di over ln2 of those outside."""
    low, high, step = (end.expand(rounded.shape)[at] for end in ends)
    side = torch.where(rounded[at] > high, 1.0, -1.0).to(error.dtype)
    moves = (side > 0) | (low == -high)  # a lower end of -2**i stays where it is when f changes, and so does 0
    return error.index_put(at, side * moves * step), side * ((side > 0) | (low < 0)) * (high + 1) * step


def word_ends(at: Tensor, magnitude: Tensor, signed: bool, symmetric: bool, dtype: torch.dtype) -> tuple[Tensor, ...]:
    """The lowest and the highest code of words of so many magnitude bits, both 0 for a pruned one, and the step."""
    high = power_of_two(magnitude.clamp(min=0), dtype) - 1
    low = torch.where(magnitude > 0, -high - int(not symmetric), high) if signed else torch.zeros_like(high)
    return low, high, power_of_two(-at, dtype)


def _covering(x: Tensor, at: Tensor) -> Tensor:
    """Integer bits without which a value of the group would leave its word: int64, the shape of `at`."""
    codes = round_codes(x.detach() * power_of_two(at, x.dtype), Rounding.RND).abs()
    return torch.frexp(group_max(codes, tuple(at.shape)))[1].long() - at


class _Learned(Quantizer):
    """Integer bits beside the fractional ones: a parameter, or a buffer that follows the values.

    Attributes:
        trained: whether integer bits are trained.
        integer: integer bits without the sign, in the shape of `frac`.
    """

    trained: bool
    integer: Tensor

    def points(self) -> list[nn.Parameter]:
        """Fractional bits, and integer bits where they are trained."""
        return [self.frac, self.integer] if self.trained else [self.frac]

    @property
    def settled(self) -> bool:
        return super().settled and self.trained

    def whole(self) -> Tensor:
        # What follows the values is set anew by the next cast, perhaps before this one's gradient is asked for.
        return self.integer if self.trained else self.integer.clone()


class LearnedConstant(_Learned, ConstantQuantizer):
    """Casts a constant to words whose lengths are learned, with one length and one binary point per group.

    Args:
        word: sign, and the length from which training starts.
        shape: of the constant.
        granularity: which values share a word.
        place: the constant it quantises, for messages.
        trained: whether integer bits are trained; otherwise they cover the values.

    Attributes:
        frac: parameter of fractional bits.
        integer: integer bits without the sign: a parameter, or a buffer that each cast sets.
    """

    def __init__(
        self,
        word: Word,
        shape: tuple[int, ...],
        granularity: Granularity = Granularity.TENSOR,
        place: str = "a tensor",
        trained: bool = True,
    ) -> None:
        super().__init__(word, shape, granularity, place)
        self.trained = trained
        start = torch.full_like(self.frac.detach(), word.width - word.signed)
        if trained:
            self.integer = nn.Parameter(start)
        else:
            self.register_buffer("integer", start)

    def positions(self) -> Tensor:
        return super().positions().clamp(-_LONGEST, _LONGEST)

    def magnitudes(self) -> Tensor:
        """Bits without the sign at present, 0 and less for pruned groups: int64, the shape of `frac`."""
        return (whole_points(self.integer.detach(), self.place) + self.positions()).clamp(max=_LONGEST)

    def bits(self) -> Tensor:
        """Word lengths, the shape of `frac`, 0 where pruned; a bit more or less moves `frac` and `integer` by one."""
        held = self.magnitudes()
        moved = self.frac - self.frac.detach() + (self.integer - self.integer.detach())
        return (held + moved + self.word.signed) * (held > 0)

    @property
    def format(self) -> FixedPoint:
        """The format that holds the codes of all groups that are not pruned."""
        at, magnitude = self.positions(), self.magnitudes()
        live = magnitude > 0
        if not bool(live.any()):
            return FixedPoint(1, 0, self.word.signed)
        highest = int(at[live].amax())
        return FixedPoint(int((magnitude - at)[live].amax()) + highest + self.word.signed, highest, self.word.signed)

    def options(self) -> Options | None:
        plain = super().options()
        return None if plain is None else plain._replace(reach=_LONGEST, least=_PRUNED, most=_LONGEST)

    def eager(self, x: Tensor) -> Tensor:
        codes, rounded, ends = self._cast(x.detach())
        result: Tensor = LearnedWord.apply(x, self.frac, self.integer, codes * ends[2], rounded, ends)
        return result

    def move_to_best(self, x: Tensor) -> None:
        super().move_to_best(x)
        self.integer.copy_(self.word.width - self.word.signed - self.frac)

    def follow(self, x: Tensor) -> None:
        if not self.trained:
            with torch.no_grad():
                self.integer.copy_(_covering(x, self.positions()))

    def _cast(self, x: Tensor) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
        at = self.positions()
        ends = word_ends(at, self.magnitudes(), self.word.signed, symmetric=False, dtype=x.dtype)
        rounded = round_codes(x * power_of_two(at, x.dtype), Rounding.RND)
        return torch.minimum(torch.maximum(rounded, ends[0]), ends[1]), rounded, ends

    def own_codes(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Codes before folding, int64 of the shape of `x`, and their fractional bits; those of pruned values are 0."""
        self.follow(x)
        codes = self._cast(x.detach().double())[0].long()
        # A pruned group may lie right of the format's point; its zeros are of any position.
        return codes, self.positions().clamp(max=self.format.frac)

    def freeze(self) -> None:
        super().freeze()
        if self.trained:
            with torch.no_grad():
                self.integer.copy_(whole_points(self.integer, self.place))
            self.integer.requires_grad_(False)

    def extra_repr(self) -> str:
        """What print(model) shows of it."""
        return f"words learned per {self.granularity.value} in {self.format}"


class LearnedCast(_Learned):
    """Casts what travels between layers to a word whose length is learned; at least one bit besides the sign.

    Where the mode wraps or jumps, integer bits follow the largest value that training has shown, until `freeze`.

    Attributes:
        frac: parameter of fractional bits.
        integer: integer bits without the sign: a parameter, or a buffer.
    """

    def __init__(self, word: Word, rounding: Rounding, overflow: Overflow, place: str) -> None:
        super().__init__(word, rounding, overflow, place)
        self.trained, self.following = overflow in SATURATING, overflow not in SATURATING
        start = torch.tensor(float(word.width - word.signed))
        if self.trained:
            self.integer = nn.Parameter(start)
        else:
            self.register_buffer("integer", start)

    def _word(self) -> tuple[Tensor, Tensor]:
        at = whole_points(self.frac.detach(), self.place).clamp(-_LONGEST, _LONGEST)
        return at, (whole_points(self.integer.detach(), self.place) + at).clamp(1, _LONGEST)

    def bits(self) -> Tensor:
        """The word's length, a scalar; a bit more or less moves `frac` and `integer` by one."""
        moved = self.frac - self.frac.detach() + (self.integer - self.integer.detach())
        return moved + self._word()[1] + self.word.signed

    @property
    def format(self) -> FixedPoint:
        at, magnitude = self._word()
        return FixedPoint(int(magnitude) + self.word.signed, int(at), self.word.signed)

    def start(self, x: Tensor) -> None:
        super().start(x)
        self.integer.copy_(self.word.width - self.word.signed - self.frac)

    def follow(self, x: Tensor) -> None:
        if self.following and (self.calibrate or self.training):
            with torch.no_grad():
                self.integer.copy_(torch.maximum(self.integer, _covering(x, self._word()[0])))

    def options(self) -> Options | None:
        plain = super().options()
        return None if plain is None else plain._replace(reach=_LONGEST, least=1, most=_LONGEST)

    def eager(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            at, magnitude = self._word()
            rounded = round_codes(x * power_of_two(at, x.dtype), self.rounding)
            ends = word_ends(at, magnitude, self.word.signed, self.overflow is Overflow.SAT_SYM, x.dtype)
            y = overflow_codes(rounded, self.format, self.overflow) * ends[2]
        result: Tensor = LearnedWord.apply(x, self.frac, self.integer, y, rounded, ends)
        return result

    def freeze(self) -> None:
        """Round point and length in place, and train them no further; the range follows nothing any more."""
        with torch.no_grad():
            at, magnitude = self._word()
            self.frac.copy_(at)
            self.integer.copy_(magnitude - at)
        self.following = False
        for point in self.points():
            point.requires_grad_(False)
