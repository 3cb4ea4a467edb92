"""The same codes further apart: zeros around and between them, or each of them repeated."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from flow.ir.ops.node import Node
from flow.ir.value import Value

__all__ = ["Pad", "Upsample", "padded_places"]


def padded_places(size: int, before: int, after: int, interior: int) -> tuple[slice, slice]:
    """Which of the `size` codes along an axis stay, and where they then lie; the other places of the result are zeros.

    >>> padded_places(3, 1, 0, 1), padded_places(4, -1, -1, 0)
    ((slice(0, 3, 1), slice(1, 6, 2)), (slice(1, 3, 1), slice(0, 2, 1)))
    """
    step = interior + 1
    end = before + (size - 1) * step + 1 + after
    first = max(-(before // step), 0)
    last = min((end - 1 - before) // step, size - 1)
    count = max(last - first + 1, 0)
    start, reach = before + first * step, (count - 1) * step + 1 if count else 0
    return slice(first, first + count, 1), slice(start, start + reach, step)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pad(Node):
    """Zeros before, after and between the codes of each axis, as in XLA: `y[before + i * (interior + 1)] = x[i]`.

    Attributes:
        before: zeros in front of the first code, for each axis of a sample; so many codes are cropped where negative.
        after: behind the last code, likewise.
        interior: zeros between two neighbouring codes, at least 0; what strides are to a transposed convolution.
    """

    op: ClassVar[str] = "pad"

    before: tuple[int, ...]
    after: tuple[int, ...]
    interior: tuple[int, ...]

    def places(self, shape: tuple[int, ...]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
        """What stays of a sample of `shape`, and where it lies in the result, a slice for each axis."""
        pairs = [padded_places(*axis) for axis in zip(shape, self.before, self.after, self.interior, strict=True)]
        return tuple(kept for kept, _ in pairs), tuple(placed for _, placed in pairs)

    def infer(self, *inputs: Value) -> Value:
        (x,) = inputs
        self._check_amounts(x)
        spread = [(size - 1) * (more + 1) + 1 for size, more in zip(x.shape, self.interior, strict=True)]
        ends = zip(self.before, self.after, spread, strict=True)
        if any(size + min(first, 0) + min(last, 0) < 1 for first, last, size in ends):
            raise self._reject(f"before={self.before} and after={self.after} crop all of the input {x.shape}")
        shape = tuple(map(sum, zip(spread, self.before, self.after, strict=True)))
        kept = math.prod(held.stop - held.start for held in self.places(x.shape)[0])
        found = [*((x.low, x.high) if kept else ()), *((0,) if math.prod(shape) > kept else ())]
        return Value(shape, x.format, min(found), max(found))

    def _check_amounts(self, x: Value) -> None:
        for name, held in (("before", self.before), ("after", self.after), ("interior", self.interior)):
            if len(held) != len(x.shape):
                raise self._reject(f"{name}={held} needs an amount for each of the {len(x.shape)} axes of {x.shape}")
        if min(self.interior, default=0) < 0:
            raise self._reject(f"interior={self.interior} is a number of zeros between two codes, at least 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Upsample(Node):
    """Each code repeated along its axes, the nearest neighbour of every new place: `y[i] = x[i // factor]`.

    Attributes:
        factors: how often, for each axis of a sample.
    """

    op: ClassVar[str] = "upsample"

    factors: tuple[int, ...]

    def infer(self, *inputs: Value) -> Value:
        (x,) = inputs
        if len(self.factors) != len(x.shape) or min(self.factors, default=1) < 1:
            raise self._reject(f"factors={self.factors} needs a number from 1 for each axis of the input {x.shape}")
        shape = tuple(size * factor for size, factor in zip(x.shape, self.factors, strict=True))
        return Value(shape, x.format, x.low, x.high)
