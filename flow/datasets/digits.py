"""The 1,797 handwritten digits that scikit-learn carries: 8 x 8 pixels of 0..16, from the UCI optical digits."""

from __future__ import annotations

import numpy as np

from flow.datasets.dataset import Dataset

__all__ = ["digits"]

_TEST = 360


def digits(seed: int) -> Dataset:
    """float32[N, 1, 8, 8] in 0..1, split 1,437 to 360 with equal shares of the classes; `seed` picks the split."""
    from sklearn.datasets import load_digits  # half a second, which other commands need not wait for
    from sklearn.model_selection import train_test_split

    held = load_digits()
    images = (held.images / 16.0).astype(np.float32)[:, None]
    labels = held.target.astype(np.int64)
    parts = train_test_split(images, labels, test_size=_TEST, stratify=labels, random_state=seed)
    train_x, test_x, train_y, test_y = parts
    return Dataset(train_x, train_y, test_x, test_y, (1, 8, 8), 10)
