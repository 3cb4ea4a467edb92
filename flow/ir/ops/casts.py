"""The operators that lose bits: round first, then overflow, with the modes of the destination."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from flow.formats import (
    FixedPoint,
    FloatRounding,
    Minifloat,
    Overflow,
    Rounding,
    cast,
    cast_bound,
    encode_integers,
)
from flow.ir.ops.node import Node
from flow.ir.value import Tensor, Value

__all__ = ["Requantize", "RequantizeEach", "RequantizeMinifloat"]


def _rounded_ends(x: Value, frac: int, rounding: Rounding) -> tuple[int, int]:
    """The range of `x` after rounding to `frac` fractional bits, before any overflow."""
    ends = np.array([x.low, x.high], dtype=object)
    wide = FixedPoint.holding(x.low, x.high, x.format.frac).width + max(0, frac - x.format.frac) + 2
    low, high = cast(ends, x.format.frac, FixedPoint(wide, frac), rounding, Overflow.SAT).tolist()
    return low, high


@dataclass(frozen=True, slots=True, kw_only=True)
class _FixedCast(Node):
    """What the casts to fixed point share."""

    def _range(self, x: Value, form: FixedPoint, rounding: Rounding, overflow: Overflow) -> tuple[int, int]:
        """Lowest and highest code of `form` that a code of `x` becomes; all of them where the mode may jump."""
        if overflow is Overflow.WRAP_SM and not form.signed:
            raise self._reject(f"overflow mode WRAP_SM exists for signed formats only, not {form}")
        low, high = _rounded_ends(x, form.frac, rounding)
        if overflow not in (Overflow.SAT, Overflow.SAT_SYM) and not form.holds(low, high):
            return form.low, form.high
        ends = np.array([x.low, x.high], dtype=object)
        low, high = cast(ends, x.format.frac, form, rounding, overflow).tolist()
        return int(min(low, high)), int(max(low, high))


@dataclass(frozen=True, slots=True, kw_only=True)
class Requantize(_FixedCast):
    """`y = overflow(round(x * 2**(F - Fx)))`."""

    op: ClassVar[str] = "requantize"

    format: FixedPoint
    rounding: Rounding = Rounding.RND
    overflow: Overflow = Overflow.SAT

    def overflows(self, x: Value) -> bool:
        """Whether the overflow mode changes some code of `x`."""
        ends = np.array(_rounded_ends(x, self.format.frac, self.rounding), dtype=object)
        inside = cast(ends, self.format.frac, self.format, self.rounding, self.overflow)
        return bool((inside != ends).any())

    def partial_bound(self, *inputs: Value) -> int:
        (x,) = inputs
        mode = self.overflow if self.overflows(x) else Overflow.SAT
        return cast_bound(x.magnitude, x.format.frac, self.format, mode)

    def infer(self, *inputs: Value) -> Value:
        (x,) = inputs
        return Value(x.shape, self.format, *self._range(x, self.format, self.rounding, self.overflow))


@dataclass(frozen=True, slots=True, kw_only=True)
class RequantizeEach(_FixedCast):
    """A cast with a format per place: `y = overflow(round(x * 2**(f - Fx))) << (F - f)`, `F` the largest `f`.

    The shift brings all places to one binary point and changes no value. A width of 0 makes the code 0.

    Attributes:
        fracs: fractional bits `f`, int64 of the input's number of axes, each of its size or 1.
        widths: word lengths, 0..62, of the same shape.
        signed: of all words.
    """

    op: ClassVar[str] = "requantize_each"

    fracs: Tensor
    widths: Tensor
    signed: bool
    rounding: Rounding = Rounding.RND
    overflow: Overflow = Overflow.SAT

    def formats(self) -> tuple[FixedPoint, ...]:
        """The distinct formats of the places whose width is not 0, in order."""
        pairs = zip(self.widths.codes.ravel().tolist(), self.fracs.codes.ravel().tolist(), strict=True)
        return tuple(FixedPoint(width, frac, self.signed) for width, frac in sorted(set(pairs)) if width)

    def places(self, form: FixedPoint) -> NDArray[np.bool_]:
        """Where `form` holds, of the shape of `fracs`."""
        found: NDArray[np.bool_] = (self.fracs.codes == form.frac) & (self.widths.codes == form.width)
        return found

    def cast_to(self, form: FixedPoint) -> Requantize:
        """The cast of the places of one format."""
        return Requantize(
            name=self.name, inputs=self.inputs, origin=self.origin, format=form, rounding=self.rounding,
            overflow=self.overflow,
        )  # fmt: skip

    @property
    def frac(self) -> int:
        """Fractional bits of the result."""
        return max((form.frac for form in self.formats()), default=0)

    def partial_bound(self, *inputs: Value) -> int:
        return max((self.cast_to(form).partial_bound(*inputs) for form in self.formats()), default=0)

    def infer(self, *inputs: Value) -> Value:
        (x,) = inputs
        self._check_shapes(x)
        frac, pruned, low, high, width = self.frac, not self.widths.codes.all(), [], [], 1
        for form in self.formats():
            lift = frac - form.frac
            ends = self._range(x, form, self.rounding, self.overflow)
            low.append(ends[0] << lift)
            high.append(ends[1] << lift)
            width = max(width, form.width + lift)
        zero = [0] if pruned else []
        return Value(x.shape, FixedPoint(width, frac, self.signed), min(low + zero), max(high + zero))

    def _check_shapes(self, x: Value) -> None:
        shape = self.fracs.shape
        fits = len(shape) == len(x.shape) and all(m in (1, n) for m, n in zip(shape, x.shape, strict=True))
        if not fits or self.widths.shape != shape:
            raise self._reject(f"fracs {shape} and widths {self.widths.shape} do not match the input {x.shape}")
        if self.widths.codes.min() < 0:
            raise self._reject(f"a width is at least 0, not {self.widths.codes.min()}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RequantizeMinifloat(Node):
    """`y =` the minifloat next to `x`, saturated, as a multiple of the format's smallest subnormal.

    Attributes:
        minifloat: whose bias says where its numbers lie, as a binary point does.
        rounding: which neighbour is taken.
    """

    op: ClassVar[str] = "requantize_minifloat"

    minifloat: Minifloat
    rounding: FloatRounding = FloatRounding.NEAREST_EVEN

    def infer(self, *inputs: Value) -> Value:
        (x,) = inputs
        low, high = self.of(np.array([x.low, x.high], dtype=object), x.format.frac).tolist()
        return Value(x.shape, self.minifloat.fixed_point, low, high)

    def of(self, codes: NDArray[Any], frac: int) -> NDArray[Any]:
        """The results for `codes` of any width with `frac` fractional bits, one at a time."""
        return self.minifloat.integers(encode_integers(codes, frac, self.minifloat, self.rounding))
