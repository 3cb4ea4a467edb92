"""The data: sizes, ranges, the split, and what is refused."""

import numpy as np
import pytest

from flow.datasets import load
from flow.errors import DataError


def test_digits():
    data = load("digits")
    assert (data.train_x.shape, data.test_x.shape) == ((1437, 1, 8, 8), (360, 1, 8, 8))
    assert (data.train_x.dtype, data.train_y.dtype) == (np.float32, np.int64)
    assert (data.shape, data.classes) == ((1, 8, 8), 10)
    pixels = np.unique(np.concatenate([data.train_x, data.test_x]) * 16)
    assert np.array_equal(pixels, np.arange(17))
    counts = np.bincount(data.test_y, minlength=10)
    assert counts.sum() == 360
    assert counts.min() >= 34
    assert counts.max() <= 37


def test_the_split_is_fixed_and_disjoint():
    first, again, other = load("digits", seed=0), load("digits", seed=0), load("digits", seed=1)
    assert np.array_equal(first.test_x, again.test_x)
    assert not np.array_equal(first.test_x, other.test_x)
    both = np.concatenate([first.train_x, first.test_x]).reshape(-1, 64)
    everything = np.concatenate([other.train_x, other.test_x]).reshape(-1, 64)
    assert np.array_equal(both[np.lexsort(both.T)], everything[np.lexsort(everything.T)])
    assert len(both) == 1797


def test_shapes():
    flat = load("digits", shape=(64,))
    assert (flat.shape, flat.train[0].shape, flat.test[0].shape) == ((64,), (1437, 64), (360, 64))
    assert np.array_equal(flat.train_x.reshape(-1, 1, 8, 8), load("digits").train_x)
    with pytest.raises(DataError, match=r"^Samples \[1, 8, 8\] cannot take the shape \[63\]; the sizes differ\.$"):
        load("digits", shape=(63,))


def test_an_unknown_name_is_refused():
    with pytest.raises(DataError, match=r"^There is no data set 'mnist'; known are digits, glyphs, glyphs_8x8\.$"):
        load("mnist")
