"""The glyphs at 8 x 8 pixels, for nets that are laid out whole: every addition of theirs is one of the design's."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from flow.datasets.dataset import Dataset
from flow.datasets.glyphs import glyphs

__all__ = ["small_glyphs"]

_SIDE, _BLOCK = 8, 3  # pixels of a sample, and those of the large one in a pixel, both ways


def _small(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """float32[N, 1, 28, 28] -> float32[N, 1, 8, 8]: means of 3 x 3, stretched from 0 to 1 in every picture."""
    taken = _SIDE * _BLOCK
    edge = (images.shape[-1] - taken) // 2  # the frame holds next to no ink
    middle = images[..., edge : edge + taken, edge : edge + taken].astype(np.float64)
    means = middle.reshape(-1, 1, _SIDE, _BLOCK, _SIDE, _BLOCK).mean(axis=(3, 5))
    low, high = (end(means, axis=(1, 2, 3), keepdims=True) for end in (np.min, np.max))
    stretched: NDArray[np.float64] = np.round((means - low) / (high - low) * 255) / 255
    return stretched.astype(np.float32)


@cache
def small_glyphs(seed: int) -> Dataset:
    """`glyphs` as the host would hand them to a small design: float32[N, 1, 8, 8], paper 0 and ink 1 in every picture.

    Raises:
        DataError: matplotlib or one of its fonts is missing.
    """
    large = glyphs(seed)
    return replace(large, train_x=_small(large.train_x), test_x=_small(large.test_x), shape=(1, _SIDE, _SIDE))
