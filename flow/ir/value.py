"""What travels along an edge of the graph: a shape, a format, and the exact range of its codes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flow.errors import GraphError
from flow.formats import FixedPoint

__all__ = ["Tensor", "Value"]


@dataclass(frozen=True, slots=True)
class Value:
    """The type of one edge; `low` and `high` bound every code it can ever carry.

    Attributes:
        shape: one sample's shape, without the batch.
        format: how a code is read.
        low: lowest code.
        high: highest code.
    """

    shape: tuple[int, ...]
    format: FixedPoint
    low: int
    high: int

    def __post_init__(self) -> None:
        if not self.format.holds(self.low, self.high):
            raise GraphError(f"A value of format {self.format} cannot range over [{self.low}, {self.high}].")

    @classmethod
    def exact(cls, shape: tuple[int, ...], frac: int, low: int, high: int) -> Value:
        """A value in the narrowest format that holds `low..high`."""
        return cls(shape, FixedPoint.holding(low, high, frac), low, high)

    @property
    def size(self) -> int:
        """Codes per sample."""
        return math.prod(self.shape)

    @property
    def magnitude(self) -> int:
        """What no code exceeds in magnitude; at least 1, so that a bound on a product also bounds the other factor."""
        return max(abs(self.low), abs(self.high), 1)

    def __str__(self) -> str:
        return f"{list(self.shape)} {self.format} [{self.low}, {self.high}]"


@dataclass(frozen=True, slots=True, eq=False)
class Tensor:
    """Constant codes with their format, read-only.

    Raises:
        GraphError: a code lies outside the format.
    """

    codes: NDArray[np.int64]
    format: FixedPoint

    def __post_init__(self) -> None:
        codes = np.array(self.codes, dtype=np.int64)
        if codes.size and not self.format.holds(int(codes.min()), int(codes.max())):
            raise GraphError(f"Codes [{codes.min()}, {codes.max()}] do not fit the format {self.format}.")
        codes.setflags(write=False)
        object.__setattr__(self, "codes", codes)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the codes."""
        return self.codes.shape

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, Tensor) and self.format == other.format and np.array_equal(self.codes, other.codes)

    def __hash__(self) -> int:
        return hash((self.format, self.codes.shape, self.codes.tobytes()))

    def __str__(self) -> str:
        return f"{self.format}{list(self.shape)}"
