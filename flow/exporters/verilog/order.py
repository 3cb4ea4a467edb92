"""In which order the codes of a value travel.

An image goes pixel by pixel, row by row, and all channels of a pixel together, because a window needs them together;
the graph counts row-major, channel first. Operators that only rename axes leave the stream as it is, so that behind a
Flatten the codes come in another order than the graph's, and a Dense permutes the columns of its weights instead.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Order"]


@dataclass(frozen=True, slots=True)
class Order:
    """The codes of a stream are `codes.reshape(shape).transpose(axes)`, read row-major.

    Attributes:
        shape: of one sample when its order was set.
        axes: a permutation of its axes.
    """

    shape: tuple[int, ...]
    axes: tuple[int, ...]

    @classmethod
    def row_major(cls, shape: tuple[int, ...]) -> Order:
        """As the graph counts."""
        return cls(shape, tuple(range(len(shape))))

    @classmethod
    def channel_last(cls, shape: tuple[int, ...]) -> Order:
        """Pixel by pixel, the channels, which are the first axis, together."""
        return cls(shape, (*range(1, len(shape)), 0)) if shape else cls.row_major(shape)

    def indices(self) -> NDArray[np.int64]:
        """int64[size]: where the graph has the k-th code of the stream.

        >>> Order((2, 3), (1, 0)).indices().tolist()
        [0, 3, 1, 4, 2, 5]
        """
        codes = np.arange(math.prod(self.shape), dtype=np.int64)
        return codes.reshape(self.shape).transpose(self.axes).reshape(-1)

    def agrees(self, other: Order) -> bool:
        """Whether both put every code in the same place."""
        return self == other or np.array_equal(self.indices(), other.indices())

    def turned(self, order: tuple[int, ...]) -> Order:
        """The same stream, told as a value whose axis `i` was axis `order[i]`.

        >>> Order((2, 3), (0, 1)).turned((1, 0))
        Order(shape=(3, 2), axes=(1, 0))
        """
        return Order(tuple(self.shape[axis] for axis in order), tuple(order.index(axis) for axis in self.axes))
