"""What a data set is."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from flow.errors import DataError

__all__ = ["Dataset"]


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Samples and labels, split once.

    Attributes:
        train_x: float32[N, *shape].
        train_y: int64[N], 0..classes-1.
        test_x: float32[M, *shape].
        test_y: int64[M].
        shape: of one sample.
        classes: how many.
    """

    train_x: NDArray[np.float32]
    train_y: NDArray[np.int64]
    test_x: NDArray[np.float32]
    test_y: NDArray[np.int64]
    shape: tuple[int, ...]
    classes: int

    @property
    def train(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Training samples and labels, as `flow.training.fit` takes them."""
        return self.train_x, self.train_y

    @property
    def test(self) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Test samples and labels."""
        return self.test_x, self.test_y

    def reshaped(self, shape: tuple[int, ...]) -> Dataset:
        """The same samples in another shape, such as `(64,)` for `(1, 8, 8)`.

        Raises:
            DataError: the shape holds another number of values.
        """
        if math.prod(shape) != math.prod(self.shape):
            raise DataError(f"Samples {list(self.shape)} cannot take the shape {list(shape)}; the sizes differ.")
        train_x, test_x = self.train_x.reshape(-1, *shape), self.test_x.reshape(-1, *shape)
        return replace(self, train_x=train_x, test_x=test_x, shape=shape)
